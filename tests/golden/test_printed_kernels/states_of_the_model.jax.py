"""Update by prodigy, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import power, quotient, root, sum_all, times, where


def prodigy_scalars_1(d, beta1, beta2, d0, lr, step):
    a = quotient(times(root(1 - power(beta2, step)), lr * d), 1 - power(beta1, step))
    one_minus_beta1_d = d * (1 - beta1)
    one_minus_beta2 = 1 - beta2
    root_beta2 = root(beta2)
    a_d_over_d0 = a * d / d0
    return a, one_minus_beta1_d, one_minus_beta2, root_beta2, a_d_over_d0


def prodigy_tensor_1(p, g, s, p0, a_d_over_d0, root_beta2):
    s_new = root_beta2 * s + a_d_over_d0 * g
    return s_new, sum_all(g * (p0 - p)), sum_all(abs(s_new))


def prodigy_scalars_2(d, r, a, beta2, d0, d_coef, eps, sum_1, sum_2):
    r_new = times(root(beta2), r) + quotient(a * d * sum_1, d0)
    d_hat = quotient(d_coef * r_new, sum_2)
    d_new = where(sum_2 == 0, d, jnp.maximum(d, d_hat))
    eps_d_new = eps * d_new
    return r_new, d_new, eps_d_new


def prodigy_tensor_2(
    p, g, m, v, a, beta1, beta2, d, eps_d_new, one_minus_beta1_d, one_minus_beta2, weight_decay
):
    m_new = beta1 * m + one_minus_beta1_d * g
    v_new = one_minus_beta2 * (d * g)**2 + beta2 * v
    change = -a * (m_new / (eps_d_new + jnp.sqrt(v_new)) + weight_decay * p)
    return m_new, v_new, change


def prodigy_tensor_start(p):
    return 0, 0, 0, p


def prodigy_model_start(parameters, d0):
    return d0, 0
