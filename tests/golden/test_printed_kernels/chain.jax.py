"""Update by clipped_ema, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import power, quotient, root, sum_all, where


def clipped_ema_scalars_1(beta1, beta2, decay, step):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    correction_beta2 = 1 / (1 - power(beta2, step))
    correction_beta1 = 1 / (1 - power(beta1, step))
    one_minus_decay = 1 - decay
    return one_minus_beta1, one_minus_beta2, correction_beta2, correction_beta1, one_minus_decay


def clipped_ema_tensor_1(p, g):
    return (sum_all(jnp.square(g)),)


def clipped_ema_scalars_2(max_norm, sum_1):
    part = quotient(jnp.maximum(max_norm, 0), root(sum_1))
    factor = where(root(sum_1) <= jnp.maximum(max_norm, 0), 1, part)
    return (factor,)


def clipped_ema_tensor_2(
    p,
    g,
    m,
    v,
    average,
    beta1,
    beta2,
    correction_beta1,
    correction_beta2,
    decay,
    eps,
    factor,
    lr,
    one_minus_beta1,
    one_minus_beta2,
    one_minus_decay,
    weight_decay,
):
    g_clip_by_global_norm = factor * g
    m_new = one_minus_beta1 * g_clip_by_global_norm + beta1 * m
    v_new = one_minus_beta2 * g_clip_by_global_norm**2 + beta2 * v
    v_hat = correction_beta2 * v_new
    expression = -lr * (weight_decay * p + correction_beta1 * m_new / (eps + jnp.sqrt(v_hat)))
    change = expression
    p_new = p + change
    average_new = one_minus_decay * p_new + decay * average
    return m_new, v_new, change, average_new


def clipped_ema_tensor_start(p):
    return 0, 0, p


def clipped_ema_evaluation(p, average):
    p_shown = average
    return (p_shown,)
