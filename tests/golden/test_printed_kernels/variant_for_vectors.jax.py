"""Update by came, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import cast, quotient, root, size, sum_all


def came_scalars(beta1, beta2, lr, weight_decay):
    one_minus_beta2 = 1 - beta2
    one_minus_beta1 = 1 - beta1
    minus_lr_weight_decay = -lr * weight_decay
    return one_minus_beta2, one_minus_beta1, minus_lr_weight_decay


def came_tensor(
    p,
    g,
    m,
    v,
    beta1,
    beta2,
    clip_threshold,
    eps1,
    lr,
    minus_lr_weight_decay,
    one_minus_beta1,
    one_minus_beta2,
):
    v_new = one_minus_beta2 * (eps1 + g**2) + beta2 * v
    u = g / jnp.sqrt(v_new)
    part = root(sum_all(jnp.square(u)))
    factor = 1 / jnp.maximum(1, quotient(quotient(part, clip_threshold), root(size(p))))
    clipped = cast(factor, p) * u
    m_new = one_minus_beta1 * clipped + beta1 * m
    change = minus_lr_weight_decay * p - lr * m_new
    return v_new, m_new, change


def came_tensor_start(p):
    return 0, 0
