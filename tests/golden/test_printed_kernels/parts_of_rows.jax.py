"""Update by adam_mini, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import axis_size, cast, power, sum_over


def adam_mini_scalars(beta1, beta2, lr, step, weight_decay):
    one_minus_beta1 = 1 - beta1
    correction_beta2 = 1 / (1 - power(beta2, step))
    corrected_lr = lr / (1 - power(beta1, step))
    minus_lr_weight_decay = -lr * weight_decay
    return one_minus_beta1, correction_beta2, corrected_lr, minus_lr_weight_decay


def adam_mini_tensor(
    p,
    g,
    m,
    v,
    beta1,
    beta2,
    beta2_rounded,
    corrected_lr,
    correction_beta2,
    eps,
    minus_lr_weight_decay,
    one_minus_beta1,
):
    m_new = one_minus_beta1 * g + beta1 * m
    one_minus_beta2_over_dim1 = (1 - beta2) / axis_size(p, -1)
    v_new = beta2_rounded * v + cast(one_minus_beta2_over_dim1, p) * sum_over(jnp.square(g), -1)
    part = 1 / (eps + jnp.sqrt(correction_beta2 * v_new))
    change = minus_lr_weight_decay * p - corrected_lr * part * m_new
    return m_new, v_new, change


def adam_mini_tensor_start(p):
    return 0, 0
