"""The rule soap over p, g, m, v, p_new_matrix, v_new_matrix, m_new_matrix, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    load4,
    maximum,
    model_scalars,
    sqrt,
    store4,
    thread,
    threads,
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


def soap_matrices_1(xp, matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in the library `xp`."""
    step = xp.scalar(model[0])
    beta1 = xp.scalar(model[6])
    beta2 = xp.scalar(model[7])
    shampoo_beta = xp.scalar(model[8])
    eps = xp.scalar(model[9])
    one_minus_beta1 = xp.scalar(model[11])  # 1 - beta1
    one_minus_beta2 = xp.scalar(model[12])  # 1 - beta2
    c1 = xp.scalar(model[13])  # lr*sqrt(1 - beta2**Max(step - 1, 1))/(1 - beta1**Max(step - 1, 1))
    c2 = xp.scalar(model[14])  # -lr*weight_decay + 1
    one_minus_shampoo_beta = xp.scalar(model[15])  # 1 - shampoo_beta
    c3 = xp.scalar(model[16])  # where((Mod(step - 1, 10) == 0) & (step > 1), 1, 0)
    g_i = matrices['g']
    left = matrices['left']
    left_basis = matrices['left_basis']
    m_i = matrices['m']
    p_i = matrices['p']
    right = matrices['right']
    right_basis = matrices['right_basis']
    v_i = matrices['v']
    # turned <- matmul(matmul(transpose(left_basis), g), right_basis)
    turned = (None if step == 1.0 else xp.matmul(xp.matmul(xp.swapaxes(left_basis, -1, -2), g_i), right_basis))
    # m_now <- where(step == 1, m, beta1*m + turned*(1 - beta1))
    m_now = (m_i if step == 1.0 else one_minus_beta1 * turned + beta1 * m_i)
    # v_now <- where(step == 1, v, beta2*v + turned**2*(1 - beta2))
    v_now = (v_i if step == 1.0 else one_minus_beta2 * turned**2 + beta2 * v_i)
    # scaled <- m_now/(eps + sqrt(v_now))
    scaled = m_now / (eps + xp.sqrt(v_now))
    # p <- where(step == 1, p, (-lr*weight_decay + 1)*(-lr*...*...*... + p))
    p_new = (p_i if step == 1.0 else c2 * (p_i - c1 * xp.matmul(xp.matmul(left_basis, scaled), xp.swapaxes(right_basis, -1, -2))))
    t3 = xp.swapaxes(g_i, -1, -2)
    # left <- shampoo_beta*left + (1 - shampoo_beta)*matmul(g, transpose(g))
    left_new = one_minus_shampoo_beta * xp.matmul(g_i, t3) + shampoo_beta * left
    # right <- shampoo_beta*right + (1 - shampoo_beta)*matmul(transpose(g), g)
    right_new = one_minus_shampoo_beta * xp.matmul(t3, g_i) + shampoo_beta * right
    part_1 = (xp.matmul(left_new, left_basis) if c3 > 0.0 else None)
    # left_order <- top_rows(transpose(sum(left_basis*part_1, axis=-2)))
    left_order = (xp.top_rows(xp.swapaxes(xp.reduced(part_1 * left_basis, 'sum', (-2,)), -1, -2)) if c3 > 0.0 else None)
    # left_basis <- where(step == 1, eigenvectors(left_new), where(..., ..., left_basis))
    left_basis_new = (xp.eigenvectors(left_new) if step == 1.0 else (xp.orthonormal(xp.swapaxes(xp.take_rows(xp.swapaxes(part_1, -1, -2), left_order), -1, -2)) if c3 > 0.0 else left_basis))
    part_2 = (xp.matmul(right_new, right_basis) if c3 > 0.0 else None)
    # right_order <- top_rows(transpose(sum(right_basis*part_2, axis=-2)))
    right_order = (xp.top_rows(xp.swapaxes(xp.reduced(part_2 * right_basis, 'sum', (-2,)), -1, -2)) if c3 > 0.0 else None)
    # right_basis <- where(step == 1, eigenvectors(right_new), where(..., ..., right_basis))
    right_basis_new = (xp.eigenvectors(right_new) if step == 1.0 else (xp.orthonormal(xp.swapaxes(xp.take_rows(xp.swapaxes(part_2, -1, -2), right_order), -1, -2)) if c3 > 0.0 else right_basis))
    # v <- where((Mod(..., 10) == 0) & (step > 1), transpose(...), v_now)
    v_new = (xp.swapaxes(xp.take_rows(xp.swapaxes(xp.take_rows(v_now, left_order), -1, -2), right_order), -1, -2) if c3 > 0.0 else v_now)
    # m <- where((Mod(..., 10) == 0) & (step > 1), matmul(..., right_basis_new), m_now)
    m_new = (xp.matmul(xp.matmul(xp.swapaxes(left_basis_new, -1, -2), xp.matmul(xp.matmul(left_basis, m_now), xp.swapaxes(right_basis, -1, -2))), right_basis_new) if c3 > 0.0 else m_now)
    matrices['left_basis_new'] = left_basis_new
    matrices['left_new'] = left_new
    matrices['right_basis_new'] = right_basis_new
    matrices['right_new'] = right_new
    matrices['p_new_matrix'][...] = p_new
    matrices['v_new_matrix'][...] = v_new
    matrices['m_new_matrix'][...] = m_new


@element
def soap_element_1(p_new, v_new, m_new):
    """What pass 1 does to an element."""
    return p_new, v_new, m_new


@element_pass
def soap_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p_new_matrix, v_new_matrix, m_new_matrix; writes p, v, m."""
    p_new_matrix = float32_array(arrays[4], start, count)
    v_new_matrix = float32_array(arrays[5], start, count)
    m_new_matrix = float32_array(arrays[6], start, count)
    p = float32_array(arrays[0], start, count)
    v = float32_array(arrays[3], start, count)
    m = float32_array(arrays[2], start, count)
    packs = count // 4 if aligned(p_new_matrix) & aligned(v_new_matrix) & aligned(m_new_matrix) & aligned(p) & aligned(v) & aligned(m) else 0
    for k in range(thread(), packs, threads()):
        p_new_0, p_new_1, p_new_2, p_new_3 = load4(p_new_matrix, k)
        v_new_0, v_new_1, v_new_2, v_new_3 = load4(v_new_matrix, k)
        m_new_0, m_new_1, m_new_2, m_new_3 = load4(m_new_matrix, k)
        new_p_new_0, new_v_new_0, new_m_new_0 = soap_element_1(p_new_0, v_new_0, m_new_0)
        new_p_new_1, new_v_new_1, new_m_new_1 = soap_element_1(p_new_1, v_new_1, m_new_1)
        new_p_new_2, new_v_new_2, new_m_new_2 = soap_element_1(p_new_2, v_new_2, m_new_2)
        new_p_new_3, new_v_new_3, new_m_new_3 = soap_element_1(p_new_3, v_new_3, m_new_3)
        store4(p, k, new_p_new_0, new_p_new_1, new_p_new_2, new_p_new_3)
        store4(v, k, new_v_new_0, new_v_new_1, new_v_new_2, new_v_new_3)
        store4(m, k, new_m_new_0, new_m_new_1, new_m_new_2, new_m_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_new_i = p_new_matrix[i]
        v_new_i = v_new_matrix[i]
        m_new_i = m_new_matrix[i]
        new_p_new_i, new_v_new_i, new_m_new_i = soap_element_1(p_new_i, v_new_i, m_new_i)
        p[i] = new_p_new_i
        v[i] = new_v_new_i
        m[i] = new_m_new_i


def soap_matrices_2(xp, matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in the library `xp`."""
    left_basis_new = matrices['left_basis_new']
    left_new = matrices['left_new']
    right_basis_new = matrices['right_basis_new']
    right_new = matrices['right_new']
    matrices['left'][...] = left_new
    matrices['right'][...] = right_new
    matrices['left_basis'][...] = left_basis_new
    matrices['right_basis'][...] = right_basis_new
