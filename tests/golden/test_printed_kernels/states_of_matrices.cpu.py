"""The rule soap over p, g, m, v, m_new_matrix, p_new_matrix, v_new_matrix, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

import numpy as np

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    model_scalars,
    sqrt,
)
from learnerdsl.kernels.linalg import (
    eigenvectors,
    orthonormal,
)


@model_scalars
def soap_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    shampoo_beta = model[8]
    one_minus_beta2 = 1.0 - beta2
    one_minus_shampoo_beta = 1.0 - shampoo_beta
    c1 = (1.0 if ((step - 1.0) % 10.0 == 0.0) and (step > 1.0) else 0.0)
    one_minus_beta1 = 1.0 - beta1
    model[11] = one_minus_beta2
    model[12] = one_minus_shampoo_beta
    model[13] = c1
    model[14] = one_minus_beta1


def soap_matrices_1(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    step = float(model[0])
    beta2 = float(model[7])
    shampoo_beta = float(model[8])
    one_minus_beta2 = float(model[11])  # 1 - beta2
    one_minus_shampoo_beta = float(model[12])  # 1 - shampoo_beta
    c1 = float(model[13])  # where((Mod(step - 1, 10) == 0) & (step > 1), 1, 0)
    g_i = matrices['g']
    left = matrices['left']
    left_basis = matrices['left_basis']
    right = matrices['right']
    right_basis = matrices['right_basis']
    v_i = matrices['v']
    # turned <- matmul(matmul(transpose(left_basis), g), right_basis)
    turned = (None if step == 1.0 else np.matmul(np.matmul(np.swapaxes(left_basis, -1, -2), g_i), right_basis))
    # v_now <- where(step == 1, v, beta2*v + turned**2*(1 - beta2))
    v_now = (v_i if step == 1.0 else one_minus_beta2 * turned**2 + beta2 * v_i)
    v_now = np.copy(v_now)
    t1 = np.swapaxes(g_i, -1, -2)
    # left <- shampoo_beta*left + (1 - shampoo_beta)*matmul(g, transpose(g))
    left_new = one_minus_shampoo_beta * np.matmul(g_i, t1) + shampoo_beta * left
    # right <- shampoo_beta*right + (1 - shampoo_beta)*matmul(transpose(g), g)
    right_new = one_minus_shampoo_beta * np.matmul(t1, g_i) + shampoo_beta * right
    part_1 = (np.matmul(left_new, left_basis) if c1 > 0.0 else None)
    # by_left <- where((Mod(step - 1, 10) == 0) & (step > 1), Abs(eigenvectors(...*...)), identity('r...
    by_left = (np.abs(eigenvectors(np.eye(matrices['p'].shape[-2], dtype=matrices['p'].dtype) * np.matmul(np.swapaxes(left_basis, -1, -2), part_1))) if c1 > 0.0 else None)
    part_2 = (np.matmul(right_new, right_basis) if c1 > 0.0 else None)
    # by_right <- where((Mod(step - 1, 10) == 0) & (step > 1), Abs(eigenvectors(...*...)), identity('...
    by_right = (np.abs(eigenvectors(np.eye(matrices['p'].shape[-1], dtype=matrices['p'].dtype) * np.matmul(np.swapaxes(right_basis, -1, -2), part_2))) if c1 > 0.0 else None)
    # v <- where((Mod(step - 1, 10) == 0) & (step > 1), matmul(matmul(..., v_now), by_right), v_now)
    v_new = (np.matmul(np.matmul(np.swapaxes(by_left, -1, -2), v_now), by_right) if c1 > 0.0 else v_now)
    # left_basis <- where(step == 1, eigenvectors(left_new), where(..., ..., left_basis))
    left_basis_new = (eigenvectors(left_new) if step == 1.0 else (orthonormal(np.matmul(part_1, by_left)) if c1 > 0.0 else left_basis))
    # right_basis <- where(step == 1, eigenvectors(right_new), where(..., ..., right_basis))
    right_basis_new = (eigenvectors(right_new) if step == 1.0 else (orthonormal(np.matmul(part_2, by_right)) if c1 > 0.0 else right_basis))
    matrices['left_basis_new'] = left_basis_new
    matrices['left_new'] = left_new
    matrices['right_basis_new'] = right_basis_new
    matrices['right_new'] = right_new
    matrices['v_now'] = v_now
    matrices['v_new_matrix'][...] = v_new


@element_pass
def soap_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m, v_new_matrix; writes m, v, m_new_matrix."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v_new_matrix = float32_array(arrays[6], start, count)
    v = float32_array(arrays[3], start, count)
    m_new_matrix = float32_array(arrays[4], start, count)
    step = float32(model[0])
    beta1 = float32(model[6])
    one_minus_beta1 = float32(model[14])  # 1 - beta1
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        v_new = v_new_matrix[i]
        # m <- where(step == 1, m, g*(1 - beta1) + beta1*m)
        m_new = (m_i if step == float32(1.0) else one_minus_beta1 * g_i + beta1 * m_i)
        m[i] = m_new
        v[i] = v_new
        m_new_matrix[i] = m_new


@model_scalars
def soap_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[10]
    t2 = maximum(step - 1.0, 1.0)
    c2 = lr * sqrt(1.0 - beta2 ** t2) / (1.0 - beta1 ** t2)
    c3 = 1.0 - lr * weight_decay
    model[15] = c2
    model[16] = c3


def soap_matrices_2(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    step = float(model[0])
    eps = float(model[9])
    c2 = float(model[15])  # lr*sqrt(1 - beta2**Max(step - 1, 1))/(1 - beta1**Max(step - 1, 1))
    c3 = float(model[16])  # -lr*weight_decay + 1
    left_basis = matrices['left_basis']
    m_new = matrices['m_new_matrix']
    p_i = matrices['p']
    right_basis = matrices['right_basis']
    v_now = matrices['v_now']
    # product_1 <- matmul(matmul(transpose(left_basis), m_new), right_basis)
    product_1 = np.matmul(np.matmul(np.swapaxes(left_basis, -1, -2), m_new), right_basis)
    # scaled <- matmul(matmul(transpose(left_basis), m_new), right_basis)/(eps + sqrt(v_now))
    scaled = product_1 / (eps + np.sqrt(v_now))
    # p <- where(step == 1, p, (-lr*weight_decay + 1)*(-lr*...*...*... + p))
    p_new = (p_i if step == 1.0 else c3 * (p_i - c2 * np.matmul(np.matmul(left_basis, scaled), np.swapaxes(right_basis, -1, -2))))
    matrices['p_new_matrix'][...] = p_new


@element_pass
def soap_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p_new_matrix; writes p."""
    p_new_matrix = float32_array(arrays[5], start, count)
    p = float32_array(arrays[0], start, count)
    for i in range(count):
        p_new = p_new_matrix[i]
        p[i] = p_new


def soap_matrices_3(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    left_basis_new = matrices['left_basis_new']
    left_new = matrices['left_new']
    right_basis_new = matrices['right_basis_new']
    right_new = matrices['right_new']
    matrices['left'][...] = left_new
    matrices['right'][...] = right_new
    matrices['left_basis'][...] = left_basis_new
    matrices['right_basis'][...] = right_basis_new
