"""Update by clipped_adamw_ema, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import power, quotient, root, sum_all


def clipped_adamw_ema_scalars_1(beta1, beta2, decay, step):
    one_minus_beta2 = 1 - beta2
    correction_beta2 = 1 / (1 - power(beta2, step))
    correction_beta1 = 1 / (1 - power(beta1, step))
    one_minus_decay = 1 - decay
    return one_minus_beta2, correction_beta2, correction_beta1, one_minus_decay


def clipped_adamw_ema_tensor_1(p, g):
    return (sum_all(jnp.square(g)),)


def clipped_adamw_ema_scalars_2(beta1, max_norm, sum_1):
    factor = (1 - beta1) * jnp.minimum(1, quotient(max_norm, root(sum_1)))
    factor_2 = jnp.minimum(1, quotient(max_norm, root(sum_1)))
    return factor, factor_2


def clipped_adamw_ema_tensor_2(
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
    factor_2,
    factor,
    lr,
    one_minus_beta2,
    one_minus_decay,
    weight_decay,
):
    m_new = beta1 * m + factor * g
    v_new = one_minus_beta2 * (factor_2 * g)**2 + beta2 * v
    v_hat = correction_beta2 * v_new
    change = -lr * (weight_decay * p + correction_beta1 * m_new / (eps + jnp.sqrt(v_hat)))
    p_new = p + change
    average_new = one_minus_decay * p_new + decay * average
    return m_new, v_new, change, average_new


def clipped_adamw_ema_tensor_start(p):
    return 0, 0, p
