"""The rule largest_gradients over p, g, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    abs,
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    inf,
    load4,
    maximum,
    maximum_of,
    model_scalars,
    narrowed,
    sqrt,
    store4,
    sum_of,
    tensor_scalars,
    thread,
    threads,
)


@element
def largest_gradients_element_1(g_i):
    """What pass 1 does to an element."""
    return float64(abs(g_i)), float64(g_i)**2


@element_pass
def largest_gradients_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    max_1 = -inf
    sum_2 = 0.0
    packs = count // 4 if aligned(g) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        max_1_0, sum_2_0 = largest_gradients_element_1(g_0)
        max_1_1, sum_2_1 = largest_gradients_element_1(g_1)
        max_1_2, sum_2_2 = largest_gradients_element_1(g_2)
        max_1_3, sum_2_3 = largest_gradients_element_1(g_3)
        max_1 = maximum(max_1, max_1_0)
        max_1 = maximum(max_1, max_1_1)
        max_1 = maximum(max_1, max_1_2)
        max_1 = maximum(max_1, max_1_3)
        sum_2 = sum_2 + sum_2_0
        sum_2 = sum_2 + sum_2_1
        sum_2 = sum_2 + sum_2_2
        sum_2 = sum_2 + sum_2_3
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        max_1_i, sum_2_i = largest_gradients_element_1(g_i)
        max_1 = maximum(max_1, max_1_i)
        sum_2 = sum_2 + sum_2_i
    max_1 = maximum_of(max_1, threads(), scratch)
    if thread() == 0:
        sums[0] = max_1
    sum_2 = sum_of(sum_2, threads(), scratch)
    if thread() == 0:
        sums[1] = sum_2


@model_scalars
def largest_gradients_scalars_2(model):
    """Scalars of the model, in float64."""
    model_size = model[3]
    keep = model[6]
    top = model[7]
    sum_2 = model[8]
    # top <- keep*top + sum_2*(1 - keep)/model_size
    top_new = keep * top + sum_2 * (1.0 - keep) / model_size
    model[9] = top_new


@tensor_scalars
def largest_gradients_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    keep = model[6]
    top_new = model[9]
    size = tensor[0]
    peak = tensor[2]
    max_1 = tensor[3]
    # peak <- Max(keep*peak, max_1)
    peak_new = maximum(keep * peak, max_1)
    c1 = lr / (peak_new + sqrt(top_new) + 1.0 / size)
    tensor[4] = peak_new
    tensor[5] = c1


@element
def largest_gradients_element_2(p_i, g_i, c1):
    """What pass 2 does to an element."""
    # p <- -g*lr/(peak_new + sqrt(top_new) + 1/size) + p
    p_new = p_i - c1 * g_i
    return p_new


@element_pass
def largest_gradients_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    c1 = narrowed(tensor[5])  # lr/(peak_new + sqrt(top_new) + 1/size)
    packs = count // 4 if aligned(p) & aligned(g) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        p_new_0 = largest_gradients_element_2(p_0, g_0, c1)
        p_new_1 = largest_gradients_element_2(p_1, g_1, c1)
        p_new_2 = largest_gradients_element_2(p_2, g_2, c1)
        p_new_3 = largest_gradients_element_2(p_3, g_3, c1)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        p_new_i = largest_gradients_element_2(p_i, g_i, c1)
        p[i] = p_new_i


@model_scalars
def largest_gradients_scalars_3(model):
    """Scalars of the model, in float64."""
    top_new = model[9]
    model[7] = top_new


@tensor_scalars
def largest_gradients_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    peak_new = tensor[4]
    tensor[2] = peak_new
