"""Update by adam, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import power


def adam_scalars(beta1, beta2, lr, step):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    correction_beta2 = 1 / (1 - power(beta2, step))
    corrected_lr = lr / (1 - power(beta1, step))
    return one_minus_beta1, one_minus_beta2, correction_beta2, corrected_lr


def adam_tensor(
    p,
    g,
    m,
    v,
    beta1,
    beta2,
    corrected_lr,
    correction_beta2,
    eps,
    one_minus_beta1,
    one_minus_beta2,
    weight_decay,
):
    g_2 = g + weight_decay * p
    m_new = one_minus_beta1 * g_2 + beta1 * m
    v_new = one_minus_beta2 * g_2**2 + beta2 * v
    v_hat = correction_beta2 * v_new
    change = -corrected_lr * m_new / (eps + jnp.sqrt(v_hat))
    return m_new, v_new, change


def adam_tensor_start(p):
    return 0, 0
