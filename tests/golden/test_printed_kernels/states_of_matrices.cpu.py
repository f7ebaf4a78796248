"""The rule soap over p, g, m, v, p_new_matrix, v_new_matrix, m_new_matrix, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

import numpy as np

from learnerdsl.kernels.cpu import (
    element_pass,
    float32_array,
    maximum,
    model_scalars,
    sqrt,
)
from learnerdsl.kernels.linalg import (
    eigenvectors,
    orthonormal,
    reduced,
    take_rows,
    top_rows,
)


@model_scalars
def soap_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    shampoo_beta = model[8]
    weight_decay = model[10]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    t1 = step - 1.0
    t2 = maximum(t1, 1.0)
    c1 = lr * sqrt(1.0 - beta2 ** t2) / (1.0 - beta1 ** t2)
    c2 = 1.0 - lr * weight_decay
    one_minus_shampoo_beta = 1.0 - shampoo_beta
    c3 = (1.0 if (t1 % 10.0 == 0.0) and (step > 1.0) else 0.0)
    model[11] = one_minus_beta1
    model[12] = one_minus_beta2
    model[13] = c1
    model[14] = c2
    model[15] = one_minus_shampoo_beta
    model[16] = c3


def soap_matrices_1(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    step = float(model[0])
    beta1 = float(model[6])
    beta2 = float(model[7])
    shampoo_beta = float(model[8])
    eps = float(model[9])
    one_minus_beta1 = float(model[11])  # 1 - beta1
    one_minus_beta2 = float(model[12])  # 1 - beta2
    c1 = float(model[13])  # lr*sqrt(1 - beta2**Max(step - 1, 1))/(1 - beta1**Max(step - 1, 1))
    c2 = float(model[14])  # -lr*weight_decay + 1
    one_minus_shampoo_beta = float(model[15])  # 1 - shampoo_beta
    c3 = float(model[16])  # where((Mod(step - 1, 10) == 0) & (step > 1), 1, 0)
    g_i = matrices['g']
    left = matrices['left']
    left_basis = matrices['left_basis']
    m_i = matrices['m']
    p_i = matrices['p']
    right = matrices['right']
    right_basis = matrices['right_basis']
    v_i = matrices['v']
    # turned <- matmul(matmul(transpose(left_basis), g), right_basis)
    turned = (None if step == 1.0 else np.matmul(np.matmul(np.swapaxes(left_basis, -1, -2), g_i), right_basis))
    # m_now <- where(step == 1, m, beta1*m + turned*(1 - beta1))
    m_now = (m_i if step == 1.0 else one_minus_beta1 * turned + beta1 * m_i)
    # v_now <- where(step == 1, v, beta2*v + turned**2*(1 - beta2))
    v_now = (v_i if step == 1.0 else one_minus_beta2 * turned**2 + beta2 * v_i)
    # scaled <- m_now/(eps + sqrt(v_now))
    scaled = m_now / (eps + np.sqrt(v_now))
    # p <- where(step == 1, p, (-lr*weight_decay + 1)*(-lr*...*...*... + p))
    p_new = (p_i if step == 1.0 else c2 * (p_i - c1 * np.matmul(np.matmul(left_basis, scaled), np.swapaxes(right_basis, -1, -2))))
    t3 = np.swapaxes(g_i, -1, -2)
    # left <- shampoo_beta*left + (1 - shampoo_beta)*matmul(g, transpose(g))
    left_new = one_minus_shampoo_beta * np.matmul(g_i, t3) + shampoo_beta * left
    # right <- shampoo_beta*right + (1 - shampoo_beta)*matmul(transpose(g), g)
    right_new = one_minus_shampoo_beta * np.matmul(t3, g_i) + shampoo_beta * right
    part_1 = (np.matmul(left_new, left_basis) if c3 > 0.0 else None)
    # left_order <- top_rows(transpose(sum(left_basis*part_1, axis=-2)))
    left_order = (top_rows(np.swapaxes(reduced(part_1 * left_basis, 'sum', (-2,)), -1, -2)) if c3 > 0.0 else None)
    # left_basis <- where(step == 1, eigenvectors(left_new), where(..., ..., left_basis))
    left_basis_new = (eigenvectors(left_new) if step == 1.0 else (orthonormal(np.swapaxes(take_rows(np.swapaxes(part_1, -1, -2), left_order), -1, -2)) if c3 > 0.0 else left_basis))
    part_2 = (np.matmul(right_new, right_basis) if c3 > 0.0 else None)
    # right_order <- top_rows(transpose(sum(right_basis*part_2, axis=-2)))
    right_order = (top_rows(np.swapaxes(reduced(part_2 * right_basis, 'sum', (-2,)), -1, -2)) if c3 > 0.0 else None)
    # right_basis <- where(step == 1, eigenvectors(right_new), where(..., ..., right_basis))
    right_basis_new = (eigenvectors(right_new) if step == 1.0 else (orthonormal(np.swapaxes(take_rows(np.swapaxes(part_2, -1, -2), right_order), -1, -2)) if c3 > 0.0 else right_basis))
    # v <- where((Mod(..., 10) == 0) & (step > 1), transpose(...), v_now)
    v_new = (np.swapaxes(take_rows(np.swapaxes(take_rows(v_now, left_order), -1, -2), right_order), -1, -2) if c3 > 0.0 else v_now)
    # m <- where((Mod(..., 10) == 0) & (step > 1), matmul(..., right_basis_new), m_now)
    m_new = (np.matmul(np.matmul(np.swapaxes(left_basis_new, -1, -2), np.matmul(np.matmul(left_basis, m_now), np.swapaxes(right_basis, -1, -2))), right_basis_new) if c3 > 0.0 else m_now)
    matrices['left_basis_new'] = left_basis_new
    matrices['left_new'] = left_new
    matrices['right_basis_new'] = right_basis_new
    matrices['right_new'] = right_new
    matrices['p_new_matrix'][...] = p_new
    matrices['v_new_matrix'][...] = v_new
    matrices['m_new_matrix'][...] = m_new


@element_pass
def soap_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p_new_matrix, v_new_matrix, m_new_matrix; writes p, v, m."""
    p_new_matrix = float32_array(arrays[4], start, count)
    v_new_matrix = float32_array(arrays[5], start, count)
    m_new_matrix = float32_array(arrays[6], start, count)
    p = float32_array(arrays[0], start, count)
    v = float32_array(arrays[3], start, count)
    m = float32_array(arrays[2], start, count)
    for i in range(count):
        p_new = p_new_matrix[i]
        v_new = v_new_matrix[i]
        m_new = m_new_matrix[i]
        p[i] = p_new
        v[i] = v_new
        m[i] = m_new


def soap_matrices_2(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    left_basis_new = matrices['left_basis_new']
    left_new = matrices['left_new']
    right_basis_new = matrices['right_basis_new']
    right_new = matrices['right_new']
    matrices['left'][...] = left_new
    matrices['right'][...] = right_new
    matrices['left_basis'][...] = left_basis_new
    matrices['right_basis'][...] = right_basis_new
