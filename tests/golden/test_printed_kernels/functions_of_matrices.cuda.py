"""The rule muon over p, g, m, x_0_matrix, x_5_matrix, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    load4,
    maximum,
    model_scalars,
    narrowed,
    sqrt,
    store4,
    sum_of,
    tensor_scalars,
    thread,
    threads,
)


@model_scalars
def muon_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    one_minus_momentum = 1.0 - momentum
    model[9] = one_minus_momentum


@element
def muon_element_1(g_i, m_i, momentum, one_minus_momentum):
    """What pass 1 does to an element."""
    t1 = one_minus_momentum * g_i
    # m <- g*(1 - momentum) + momentum*m
    m_new = t1 + momentum * m_i
    # u <- g*(1 - momentum) + momentum*m_new
    u = t1 + momentum * m_new
    return m_new, float64(u)**2


@element_pass
def muon_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g, m; writes m."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    momentum = narrowed(model[6])
    one_minus_momentum = narrowed(model[9])  # 1 - momentum
    sum_1 = 0.0
    packs = count // 4 if aligned(g) & aligned(m) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        m_new_0, sum_1_0 = muon_element_1(g_0, m_0, momentum, one_minus_momentum)
        m_new_1, sum_1_1 = muon_element_1(g_1, m_1, momentum, one_minus_momentum)
        m_new_2, sum_1_2 = muon_element_1(g_2, m_2, momentum, one_minus_momentum)
        m_new_3, sum_1_3 = muon_element_1(g_3, m_3, momentum, one_minus_momentum)
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        sum_1 = sum_1 + sum_1_0
        sum_1 = sum_1 + sum_1_1
        sum_1 = sum_1 + sum_1_2
        sum_1 = sum_1 + sum_1_3
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        m_i = m[i]
        m_new_i, sum_1_i = muon_element_1(g_i, m_i, momentum, one_minus_momentum)
        m[i] = m_new_i
        sum_1 = sum_1 + sum_1_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1


@tensor_scalars
def muon_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    eps = model[8]
    sum_1 = tensor[6]
    c1 = 1.0 / maximum(sqrt(sum_1), eps)
    tensor[7] = c1


@element
def muon_element_2(g_i, m_new, momentum, one_minus_momentum, c1):
    """What pass 2 does to an element."""
    # u <- g*(1 - momentum) + momentum*m_new
    u = one_minus_momentum * g_i + momentum * m_new
    # x_0 <- u/Max(sqrt(sum_1), eps)
    x_0 = c1 * u
    return x_0


@element_pass
def muon_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g, m; writes x_0_matrix."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    x_0_matrix = float32_array(arrays[3], start, count)
    momentum = narrowed(model[6])
    one_minus_momentum = narrowed(model[9])  # 1 - momentum
    c1 = narrowed(tensor[7])  # 1/Max(sqrt(sum_1), eps)
    packs = count // 4 if aligned(g) & aligned(m) & aligned(x_0_matrix) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_new_0, m_new_1, m_new_2, m_new_3 = load4(m, k)
        x_0_0 = muon_element_2(g_0, m_new_0, momentum, one_minus_momentum, c1)
        x_0_1 = muon_element_2(g_1, m_new_1, momentum, one_minus_momentum, c1)
        x_0_2 = muon_element_2(g_2, m_new_2, momentum, one_minus_momentum, c1)
        x_0_3 = muon_element_2(g_3, m_new_3, momentum, one_minus_momentum, c1)
        store4(x_0_matrix, k, x_0_0, x_0_1, x_0_2, x_0_3)
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        m_new_i = m[i]
        x_0_i = muon_element_2(g_i, m_new_i, momentum, one_minus_momentum, c1)
        x_0_matrix[i] = x_0_i


@tensor_scalars
def muon_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    rows = tensor[2]
    cols = tensor[3]
    c2 = sqrt(maximum(1.0, rows / cols))
    tensor[8] = c2


def muon_matrices_3(xp, matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in the library `xp`."""
    x_0 = matrices['x_0_matrix']
    # gram_1 <- matmul(x_0, transpose(x_0))
    gram_1 = xp.matmul(x_0, xp.swapaxes(x_0, -1, -2))
    # polynomial_1 <- -4.775*gram_1 + 2.0315*matmul(gram_1, gram_1)
    polynomial_1 = 2.0315 * xp.matmul(gram_1, gram_1) - 4.775 * gram_1
    # product_1 <- matmul(polynomial_1, x_0)
    product_1 = xp.matmul(polynomial_1, x_0)
    # x_1 <- 3.4445*x_0 + matmul(polynomial_1, x_0)
    x_1 = product_1 + 3.4445 * x_0
    # gram_2 <- matmul(x_1, transpose(x_1))
    gram_2 = xp.matmul(x_1, xp.swapaxes(x_1, -1, -2))
    # polynomial_2 <- -4.775*gram_2 + 2.0315*matmul(gram_2, gram_2)
    polynomial_2 = 2.0315 * xp.matmul(gram_2, gram_2) - 4.775 * gram_2
    # product_2 <- matmul(polynomial_2, x_1)
    product_2 = xp.matmul(polynomial_2, x_1)
    # x_2 <- 3.4445*x_1 + matmul(polynomial_2, x_1)
    x_2 = product_2 + 3.4445 * x_1
    # gram_3 <- matmul(x_2, transpose(x_2))
    gram_3 = xp.matmul(x_2, xp.swapaxes(x_2, -1, -2))
    # polynomial_3 <- -4.775*gram_3 + 2.0315*matmul(gram_3, gram_3)
    polynomial_3 = 2.0315 * xp.matmul(gram_3, gram_3) - 4.775 * gram_3
    # product_3 <- matmul(polynomial_3, x_2)
    product_3 = xp.matmul(polynomial_3, x_2)
    # x_3 <- 3.4445*x_2 + matmul(polynomial_3, x_2)
    x_3 = product_3 + 3.4445 * x_2
    # gram_4 <- matmul(x_3, transpose(x_3))
    gram_4 = xp.matmul(x_3, xp.swapaxes(x_3, -1, -2))
    # polynomial_4 <- -4.775*gram_4 + 2.0315*matmul(gram_4, gram_4)
    polynomial_4 = 2.0315 * xp.matmul(gram_4, gram_4) - 4.775 * gram_4
    # product_4 <- matmul(polynomial_4, x_3)
    product_4 = xp.matmul(polynomial_4, x_3)
    # x_4 <- 3.4445*x_3 + matmul(polynomial_4, x_3)
    x_4 = product_4 + 3.4445 * x_3
    # gram_5 <- matmul(x_4, transpose(x_4))
    gram_5 = xp.matmul(x_4, xp.swapaxes(x_4, -1, -2))
    # polynomial_5 <- -4.775*gram_5 + 2.0315*matmul(gram_5, gram_5)
    polynomial_5 = 2.0315 * xp.matmul(gram_5, gram_5) - 4.775 * gram_5
    # product_5 <- matmul(polynomial_5, x_4)
    product_5 = xp.matmul(polynomial_5, x_4)
    # x_5 <- 3.4445*x_4 + matmul(polynomial_5, x_4)
    x_5 = product_5 + 3.4445 * x_4
    matrices['x_5_matrix'][...] = x_5


@element
def muon_element_3(p_i, x_5, lr, weight_decay, c2):
    """What pass 3 does to an element."""
    # p <- -lr*(weight_decay*p + x_5*sqrt(Max(1, rows/cols))) + p
    p_new = p_i - lr * (c2 * x_5 + weight_decay * p_i)
    return p_new


@element_pass
def muon_pass_3(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, x_5_matrix; writes p."""
    p = float32_array(arrays[0], start, count)
    x_5_matrix = float32_array(arrays[4], start, count)
    lr = narrowed(model[5])
    weight_decay = narrowed(model[7])
    c2 = narrowed(tensor[8])  # sqrt(Max(1, rows/cols))
    packs = count // 4 if aligned(p) & aligned(x_5_matrix) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        x_5_0, x_5_1, x_5_2, x_5_3 = load4(x_5_matrix, k)
        p_new_0 = muon_element_3(p_0, x_5_0, lr, weight_decay, c2)
        p_new_1 = muon_element_3(p_1, x_5_1, lr, weight_decay, c2)
        p_new_2 = muon_element_3(p_2, x_5_2, lr, weight_decay, c2)
        p_new_3 = muon_element_3(p_3, x_5_3, lr, weight_decay, c2)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        x_5_i = x_5_matrix[i]
        p_new_i = muon_element_3(p_i, x_5_i, lr, weight_decay, c2)
        p[i] = p_new_i
