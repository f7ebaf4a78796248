"""The rule nesterov over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
)


@element_pass
def nesterov_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    weight_decay = float32(model[7])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        t1 = weight_decay * p_i
        # b <- g + momentum*b + weight_decay*p
        b_new = t1 + g_i + momentum * b_i
        # p <- -lr*(g + momentum*b_new + weight_decay*p) + p
        p_new = p_i - lr * (t1 + g_i + momentum * b_new)
        b[i] = b_new
        p[i] = p_new
