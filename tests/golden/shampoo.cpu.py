"""The rule shampoo over p, g, decayed_matrix, product_1_matrix, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

import numpy as np

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
)
from learnerdsl.kernels.linalg import (
    inverse_root,
)


@element_pass
def shampoo_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes decayed_matrix."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    decayed_matrix = float32_array(arrays[2], start, count)
    weight_decay = float32(model[6])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # decayed <- g + weight_decay*p
        decayed = g_i + weight_decay * p_i
        decayed_matrix[i] = decayed


def shampoo_matrices_2(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    decayed = matrices['decayed_matrix']
    left = matrices['left']
    right = matrices['right']
    t1 = np.swapaxes(decayed, -1, -2)
    # left <- left + matmul(decayed, transpose(decayed))
    left_new = left + np.matmul(decayed, t1)
    # right <- right + matmul(transpose(decayed), decayed)
    right_new = right + np.matmul(t1, decayed)
    # product_1 <- matmul(matmul(inverse_root(left_new, 4), decayed), inverse_root(right_new, 4))
    product_1 = np.matmul(np.matmul(inverse_root(left_new, 4.0), decayed), inverse_root(right_new, 4.0))
    matrices['left_new'] = left_new
    matrices['right_new'] = right_new
    matrices['product_1_matrix'][...] = product_1


@element_pass
def shampoo_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, product_1_matrix; writes p."""
    p = float32_array(arrays[0], start, count)
    product_1_matrix = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    for i in range(count):
        p_i = p[i]
        product_1 = product_1_matrix[i]
        # p <- -lr*matmul(matmul(inverse_root(left_new, 4), decayed), inverse_root(right_new, 4)) + p
        p_new = p_i - lr * product_1
        p[i] = p_new


def shampoo_matrices_3(matrices, model, tensor):
    """Functions of whole matrices, of one tensor, in NumPy."""
    left_new = matrices['left_new']
    right_new = matrices['right_new']
    matrices['left'][...] = left_new
    matrices['right'][...] = right_new
