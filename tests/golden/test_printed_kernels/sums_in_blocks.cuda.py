"""The rule in_blocks over p, g, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32,
    float32_array,
    float64,
    load4,
    narrowed,
    store4,
    sum_of,
    tensor_scalars,
    thread,
    threads,
)


@element_pass
def in_blocks_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = float32(0.0)
    sum_1_block = float32(0.0)
    for i in range(0 if thread() == 0 else count, count):
        g_i = g[i]
        sum_1_i = g_i**2
        sum_1_block = sum_1_i if i % 4 == 0 else sum_1_block + sum_1_i
        if i >= count - count % 4:
            sum_1 = sum_1 + sum_1_i
        elif i % 4 == 3:
            sum_1 = sum_1 + sum_1_block
    sum_1 = sum_of(float64(sum_1), threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1


@tensor_scalars
def in_blocks_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    sum_1 = tensor[2]
    c1 = lr / (sum_1 + 1.0)
    tensor[3] = c1


@element
def in_blocks_element_2(p_i, g_i, c1):
    """What pass 2 does to an element."""
    # p <- -g*lr/(sum_1 + 1) + p
    p_new = p_i - c1 * g_i
    return p_new


@element_pass
def in_blocks_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    c1 = narrowed(tensor[3])  # lr/(sum_1 + 1)
    packs = count // 4 if aligned(p) & aligned(g) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        p_new_0 = in_blocks_element_2(p_0, g_0, c1)
        p_new_1 = in_blocks_element_2(p_1, g_1, c1)
        p_new_2 = in_blocks_element_2(p_2, g_2, c1)
        p_new_3 = in_blocks_element_2(p_3, g_3, c1)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        p_new_i = in_blocks_element_2(p_i, g_i, c1)
        p[i] = p_new_i
