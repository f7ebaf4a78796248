"""Update by adashift, in functions that JAX traces."""

from learnerdsl.jax.operations import cast, max_all, power, quotient, root, where


def adashift_scalars(beta1):
    newest_weight = (1 - beta1) / (1 - beta1**10)
    factor = newest_weight * beta1**10
    return newest_weight, factor


def adashift_tensor(p, g, m, v, past_10, beta1, beta2, eps, factor, lr, newest_weight, step):
    m_new = newest_weight * g + beta1 * m - factor * past_10
    v_new = max_all(abs(past_10))**2 * (1 - beta2) + beta2 * v
    v_hat = quotient(v_new, 1 - power(beta2, step - 10))
    rate = where(step > 10, quotient(lr, eps + root(v_hat)), 0)
    change = -cast(rate, p) * m_new
    past_10_new = g
    return m_new, v_new, change, past_10_new


def adashift_tensor_start(p):
    return 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
