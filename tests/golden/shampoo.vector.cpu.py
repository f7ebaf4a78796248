"""The rule shampoo over p, g, total, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    sqrt,
)


@element_pass
def shampoo_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, total; writes total, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    total = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    weight_decay = float32(model[6])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        total_i = total[i]
        # decayed <- g + weight_decay*p
        decayed = g_i + weight_decay * p_i
        # total <- decayed**2 + total
        total_new = total_i + decayed**2
        # p <- -lr*decayed/sqrt(total_new) + p
        p_new = p_i - lr * decayed / sqrt(total_new)
        total[i] = total_new
        p[i] = p_new
