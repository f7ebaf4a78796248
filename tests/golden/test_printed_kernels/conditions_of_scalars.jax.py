"""Update by radam, in functions that JAX traces."""

from learnerdsl.jax.operations import power, quotient, root, where


def radam_scalars(beta1, beta2, lr, step):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    part = quotient((-2) * step * power(beta2, step), 1 - power(beta2, step))
    rho = part + quotient(2, 1 - beta2) - 1
    part_3 = quotient(1, quotient(2, 1 - beta2) - 5)
    part_2 = quotient(quotient(part_3, rho), quotient(2, 1 - beta2) - 3)
    part_4 = part_2 * (quotient(2, 1 - beta2) - 1)
    rectification = where(rho > 5, root(part_4 * (rho - 4) * (rho - 2)), 0)
    factor = rectification * root(1 - power(beta2, step))
    corrected_lr = lr / (1 - power(beta1, step))
    return one_minus_beta1, one_minus_beta2, rectification, factor, corrected_lr


def radam_tensor(
    p,
    g,
    m,
    v,
    beta1,
    beta2,
    corrected_lr,
    eps,
    factor,
    one_minus_beta1,
    one_minus_beta2,
    rectification,
    weight_decay,
):
    g_2 = g + weight_decay * p
    m_new = one_minus_beta1 * g_2 + beta1 * m
    v_new = one_minus_beta2 * g_2**2 + beta2 * v
    adaptive = quotient(factor, eps + root(v_new))
    change = -corrected_lr * m_new * where(rectification > 0, adaptive, 1)
    return m_new, v_new, change


def radam_tensor_start(p):
    return 0, 0
