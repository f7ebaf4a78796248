"""Update by sophia, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import power, quotient, where


def sophia_scalars(beta1, beta2, clip_threshold, step):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    correction_beta1 = 1 / (1 - power(beta1, step))
    factor = -jnp.maximum(clip_threshold, 0)
    factor_2 = jnp.maximum(clip_threshold, 0)
    return one_minus_beta1, one_minus_beta2, correction_beta1, factor, factor_2


def sophia_tensor(
    p,
    g,
    m,
    h,
    beta1,
    beta2,
    correction_beta1,
    eps,
    factor_2,
    factor,
    gamma,
    hessian_diag,
    lr,
    one_minus_beta1,
    one_minus_beta2,
    step,
    weight_decay,
):
    m_new = one_minus_beta1 * g + beta1 * m
    h_new = where((step - 1) % 10 == 0, one_minus_beta2 * hessian_diag + beta2 * h, h)
    part = quotient(1, jnp.maximum(gamma * h, eps))
    u = jnp.minimum(jnp.maximum(correction_beta1 * part * m_new, factor), factor_2)
    change = -lr * (u + weight_decay * p)
    return m_new, h_new, change


def sophia_tensor_start(p):
    return 0, 0
