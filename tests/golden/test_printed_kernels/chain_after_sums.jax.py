"""Update by lamb_lookahead, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import cast, power, quotient, root, sum_all, where


def lamb_lookahead_scalars(beta1, beta2, step):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    correction_beta2 = 1 / (1 - power(beta2, step))
    correction_beta1 = 1 / (1 - power(beta1, step))
    return one_minus_beta1, one_minus_beta2, correction_beta2, correction_beta1


def lamb_lookahead_tensor(
    p,
    g,
    m,
    v,
    slow,
    beta1,
    beta2,
    correction_beta1,
    correction_beta2,
    eps,
    lr,
    one_minus_beta1,
    one_minus_beta2,
    slow_step,
    step,
    weight_decay,
):
    m_new = one_minus_beta1 * g + beta1 * m
    v_new = one_minus_beta2 * g**2 + beta2 * v
    v_hat = correction_beta2 * v_new
    u = weight_decay * p + quotient(correction_beta1 * m_new, eps + root(v_hat))
    p_norm = root(sum_all(jnp.square(p)))
    u_norm = root(sum_all(jnp.square(u)))
    trust = where((p_norm == 0) | (u_norm == 0), 1, quotient(p_norm, u_norm))
    lr_trust = lr * trust
    lamb_update = -cast(lr_trust, p) * u
    slow_new = where(step % 6 == 0, slow + slow_step * (lamb_update + p - slow), slow)
    new = lamb_update + p
    p_new = where(step % 6 == 0, slow_new, new)
    change = p_new - p
    return m_new, v_new, slow_new, change


def lamb_lookahead_tensor_start(p):
    return 0, 0, p
