"""The rule dog over p, g, p0, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
)


@element_pass
def dog_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, p0; writes nothing."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    p0 = float32_array(arrays[2], start, count)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        p0_i = p0[i]
        sum_1 = accumulate(sum_1, float64(p_i - p0_i)**2)
        sum_2 = accumulate(sum_2, float64(g_i)**2)
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def dog_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    eps = model[6]
    d = model[8]
    s = model[9]
    sum_1 = model[10]
    sum_2 = model[11]
    # d <- Max(d, sqrt(sum_1))
    d_new = maximum(d, sqrt(sum_1))
    # s <- s + sum_2
    s_new = s + sum_2
    # rate <- lr*d_new/sqrt(eps + s_new)
    rate = lr * d_new / sqrt(eps + s_new)
    model[12] = d_new
    model[13] = s_new
    model[14] = rate


@element_pass
def dog_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    rate = float32(model[14])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -g*rate + p
        p_new = p_i - rate * g_i
        p[i] = p_new


@model_scalars
def dog_scalars_3(model):
    """Scalars of the model, in float64."""
    d_new = model[12]
    s_new = model[13]
    model[8] = d_new
    model[9] = s_new
