"""The rule sgd over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
)


@element_pass
def sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    lr = float32(model[5])
    weight_decay = float32(model[6])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -lr*(g + weight_decay*p) + p
        p_new = p_i - lr * (g_i + weight_decay * p_i)
        p[i] = p_new
