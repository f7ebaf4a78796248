"""The rule largest_gradients over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    inf,
    larger,
    maximum,
    model_scalars,
    nan,
    sqrt,
    tensor_scalars,
)


@element_pass
def largest_gradients_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    max_1 = -inf
    max_1_nan = False
    sum_2 = 0.0
    for i in range(count):
        g_i = g[i]
        max_1_i = float64(abs(g_i))
        max_1 = larger(max_1, max_1_i)
        max_1_nan |= max_1_i != max_1_i
        sum_2 = accumulate_square(sum_2, float64(g_i))
    sums[0] = nan if max_1_nan else max_1
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


@element_pass
def largest_gradients_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    c1 = float32(tensor[5])  # lr/(peak_new + sqrt(top_new) + 1/size)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -g*lr/(peak_new + sqrt(top_new) + 1/size) + p
        p_new = p_i - c1 * g_i
        p[i] = p_new


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
