"""Update by soap, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import (
    eigenvectors,
    either,
    matmul,
    orthonormal,
    power,
    quotient,
    reduced,
    root,
    take_rows,
    top_rows,
    when,
    where,
    whole,
)


def soap_scalars(beta1, beta2, lr, shampoo_beta, step, weight_decay):
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    part = 1 / (1 - power(beta1, jnp.maximum(step - 1, 1)))
    factor = part * lr * root(1 - power(beta2, jnp.maximum(step - 1, 1)))
    factor_2 = 1 - lr * weight_decay
    minus_lr_weight_decay = -lr * weight_decay
    one_minus_shampoo_beta = 1 - shampoo_beta
    return (
        one_minus_beta1,
        one_minus_beta2,
        factor,
        factor_2,
        minus_lr_weight_decay,
        one_minus_shampoo_beta,
    )


def soap_tensor(
    p,
    g,
    m,
    v,
    left,
    right,
    left_basis,
    right_basis,
    beta1,
    beta2,
    eps,
    factor_2,
    factor,
    minus_lr_weight_decay,
    one_minus_beta1,
    one_minus_beta2,
    one_minus_shampoo_beta,
    shampoo_beta,
    step,
):
    g_whole = whole(g)
    turned = matmul(matmul(left_basis.mT, g_whole), right_basis)
    m_now = where(step == 1, m, one_minus_beta1 * turned + beta1 * m)
    m_now_whole = whole(m_now)
    v_now = where(step == 1, v, one_minus_beta2 * turned**2 + beta2 * v)
    v_now_whole = whole(v_now)
    scaled = whole(quotient(m_now_whole, eps + root(v_now_whole)))
    u = matmul(matmul(left_basis, scaled), right_basis.mT)
    change = where(step == 1, 0, factor_2 * (-factor * u) + minus_lr_weight_decay * p)
    left_new = one_minus_shampoo_beta * matmul(g_whole, g_whole.mT) + shampoo_beta * left
    right_new = one_minus_shampoo_beta * matmul(g_whole.mT, g_whole) + shampoo_beta * right
    power_2 = when(((step - 1) % 10 == 0) & (step > 1), lambda: matmul(left_new, left_basis))
    left_order = when(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: top_rows(reduced(whole(power_2 * left_basis), "sum", (-2,)).mT),
    )
    by_power = when(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: orthonormal(take_rows(power_2.mT, left_order).mT),
    )
    left_basis_new = either(
        step == 1,
        lambda: eigenvectors(left_new),
        lambda: where(((step - 1) % 10 == 0) & (step > 1), by_power, left_basis),
    )
    left_basis_new_whole = whole(left_basis_new)
    power_3 = when(((step - 1) % 10 == 0) & (step > 1), lambda: matmul(right_new, right_basis))
    right_order = when(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: top_rows(reduced(whole(power_3 * right_basis), "sum", (-2,)).mT),
    )
    by_power_2 = when(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: orthonormal(take_rows(power_3.mT, right_order).mT),
    )
    right_basis_new = either(
        step == 1,
        lambda: eigenvectors(right_new),
        lambda: where(((step - 1) % 10 == 0) & (step > 1), by_power_2, right_basis),
    )
    right_basis_new_whole = whole(right_basis_new)
    v_new = either(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: take_rows(take_rows(v_now_whole, left_order).mT, right_order).mT,
        lambda: v_now,
    )
    x = when(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: matmul(matmul(left_basis, m_now_whole), right_basis.mT),
    )
    m_new = either(
        ((step - 1) % 10 == 0) & (step > 1),
        lambda: matmul(matmul(left_basis_new_whole.mT, x), right_basis_new_whole),
        lambda: m_now,
    )
    return change, left_new, right_new, left_basis_new, right_basis_new, v_new, m_new


def soap_tensor_start(p):
    return 0, 0, 0, 0, 0, 0
