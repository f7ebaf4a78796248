"""The rule in_blocks over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    tensor_scalars,
)


@element_pass
def in_blocks_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = float32(0.0)
    sum_1_block = float32(0.0)
    for i in range(count):
        g_i = g[i]
        sum_1_i = g_i**2
        sum_1_block = sum_1_i if i % 4 == 0 else sum_1_block + sum_1_i
        if i >= count - count % 4:
            sum_1 = sum_1 + sum_1_i
        elif i % 4 == 3:
            sum_1 = sum_1 + sum_1_block
    sums[0] = sum_1


@tensor_scalars
def in_blocks_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    sum_1 = tensor[2]
    c1 = lr / (sum_1 + 1.0)
    tensor[3] = c1


@element_pass
def in_blocks_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    c1 = float32(tensor[3])  # lr/(sum_1 + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -g*lr/(sum_1 + 1) + p
        p_new = p_i - c1 * g_i
        p[i] = p_new
