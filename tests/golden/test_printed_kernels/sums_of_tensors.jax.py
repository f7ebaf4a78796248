"""Update by lamb, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import cast, power, quotient, root, sum_all, where


def lamb_scalars(beta1, beta2, step):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    correction_beta2 = 1 / (1 - power(beta2, step))
    correction_beta1 = 1 / (1 - power(beta1, step))
    return one_minus_beta1, one_minus_beta2, correction_beta2, correction_beta1


def lamb_tensor(
    p,
    g,
    m,
    v,
    beta1,
    beta2,
    correction_beta1,
    correction_beta2,
    eps,
    lr,
    one_minus_beta1,
    one_minus_beta2,
    weight_decay,
):
    m_new = one_minus_beta1 * g + beta1 * m
    v_new = one_minus_beta2 * g**2 + beta2 * v
    v_hat = correction_beta2 * v_new
    u = weight_decay * p + correction_beta1 * m_new / (eps + jnp.sqrt(v_hat))
    p_norm = root(sum_all(jnp.square(p)))
    u_norm = root(sum_all(jnp.square(u)))
    trust = where((p_norm == 0) | (u_norm == 0), 1, quotient(p_norm, u_norm))
    lr_trust = lr * trust
    change = -cast(lr_trust, p) * u
    return m_new, v_new, change


def lamb_tensor_start(p):
    return 0, 0
