"""The rule muon over p, g, m, x_0_matrix, x_5_matrix, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

import numpy as np

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def muon_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    one_minus_momentum = 1.0 - momentum
    model[9] = one_minus_momentum


@element_pass
def muon_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes m."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    momentum = float32(model[6])
    one_minus_momentum = float32(model[9])  # 1 - momentum
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        t1 = one_minus_momentum * g_i
        # m <- g*(1 - momentum) + momentum*m
        m_new = t1 + momentum * m_i
        # u <- g*(1 - momentum) + momentum*m_new
        u = t1 + momentum * m_new
        sum_1 = accumulate_square(sum_1, float64(u))
        m[i] = m_new
    sums[0] = sum_1


@tensor_scalars
def muon_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    eps = model[8]
    sum_1 = tensor[6]
    c1 = 1.0 / maximum(sqrt(sum_1), eps)
    tensor[7] = c1


@element_pass
def muon_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes x_0_matrix."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    x_0_matrix = float32_array(arrays[3], start, count)
    momentum = float32(model[6])
    one_minus_momentum = float32(model[9])  # 1 - momentum
    c1 = float32(tensor[7])  # 1/Max(sqrt(sum_1), eps)
    for i in range(count):
        g_i = g[i]
        m_new = m[i]
        # u <- g*(1 - momentum) + momentum*m_new
        u = one_minus_momentum * g_i + momentum * m_new
        # x_0 <- u/Max(sqrt(sum_1), eps)
        x_0 = c1 * u
        x_0_matrix[i] = x_0


@tensor_scalars
def muon_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    rows = tensor[2]
    cols = tensor[3]
    c2 = sqrt(maximum(1.0, rows / cols))
    tensor[8] = c2


def muon_matrices_3(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    x_0 = matrices['x_0_matrix']
    # gram_1 <- matmul(x_0, transpose(x_0))
    gram_1 = np.matmul(x_0, np.swapaxes(x_0, -1, -2))
    # polynomial_1 <- -4.775*gram_1 + 2.0315*matmul(gram_1, gram_1)
    polynomial_1 = 2.0315 * np.matmul(gram_1, np.swapaxes(gram_1, -1, -2)) - 4.775 * gram_1
    # product_1 <- matmul(polynomial_1, x_0)
    product_1 = np.matmul(polynomial_1, x_0)
    # x_1 <- 3.4445*x_0 + matmul(polynomial_1, x_0)
    x_1 = product_1 + 3.4445 * x_0
    # gram_2 <- matmul(x_1, transpose(x_1))
    gram_2 = np.matmul(x_1, np.swapaxes(x_1, -1, -2))
    # polynomial_2 <- -4.775*gram_2 + 2.0315*matmul(gram_2, gram_2)
    polynomial_2 = 2.0315 * np.matmul(gram_2, np.swapaxes(gram_2, -1, -2)) - 4.775 * gram_2
    # product_2 <- matmul(polynomial_2, x_1)
    product_2 = np.matmul(polynomial_2, x_1)
    # x_2 <- 3.4445*x_1 + matmul(polynomial_2, x_1)
    x_2 = product_2 + 3.4445 * x_1
    # gram_3 <- matmul(x_2, transpose(x_2))
    gram_3 = np.matmul(x_2, np.swapaxes(x_2, -1, -2))
    # polynomial_3 <- -4.775*gram_3 + 2.0315*matmul(gram_3, gram_3)
    polynomial_3 = 2.0315 * np.matmul(gram_3, np.swapaxes(gram_3, -1, -2)) - 4.775 * gram_3
    # product_3 <- matmul(polynomial_3, x_2)
    product_3 = np.matmul(polynomial_3, x_2)
    # x_3 <- 3.4445*x_2 + matmul(polynomial_3, x_2)
    x_3 = product_3 + 3.4445 * x_2
    # gram_4 <- matmul(x_3, transpose(x_3))
    gram_4 = np.matmul(x_3, np.swapaxes(x_3, -1, -2))
    # polynomial_4 <- -4.775*gram_4 + 2.0315*matmul(gram_4, gram_4)
    polynomial_4 = 2.0315 * np.matmul(gram_4, np.swapaxes(gram_4, -1, -2)) - 4.775 * gram_4
    # product_4 <- matmul(polynomial_4, x_3)
    product_4 = np.matmul(polynomial_4, x_3)
    # x_4 <- 3.4445*x_3 + matmul(polynomial_4, x_3)
    x_4 = product_4 + 3.4445 * x_3
    # gram_5 <- matmul(x_4, transpose(x_4))
    gram_5 = np.matmul(x_4, np.swapaxes(x_4, -1, -2))
    # polynomial_5 <- -4.775*gram_5 + 2.0315*matmul(gram_5, gram_5)
    polynomial_5 = 2.0315 * np.matmul(gram_5, np.swapaxes(gram_5, -1, -2)) - 4.775 * gram_5
    # product_5 <- matmul(polynomial_5, x_4)
    product_5 = np.matmul(polynomial_5, x_4)
    # x_5 <- 3.4445*x_4 + matmul(polynomial_5, x_4)
    x_5 = product_5 + 3.4445 * x_4
    matrices['x_5_matrix'][...] = x_5


@element_pass
def muon_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, x_5_matrix; writes p."""
    p = float32_array(arrays[0], start, count)
    x_5_matrix = float32_array(arrays[4], start, count)
    lr = float32(model[5])
    weight_decay = float32(model[7])
    c2 = float32(tensor[8])  # sqrt(Max(1, rows/cols))
    for i in range(count):
        p_i = p[i]
        x_5 = x_5_matrix[i]
        # p <- -lr*(weight_decay*p + x_5*sqrt(Max(1, rows/cols))) + p
        p_new = p_i - lr * (c2 * x_5 + weight_decay * p_i)
        p[i] = p_new
