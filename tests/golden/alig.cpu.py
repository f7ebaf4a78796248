"""The rule alig over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    minimum,
    model_scalars,
)


@element_pass
def alig_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
    sums[0] = sum_1


@model_scalars
def alig_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    eps = model[7]
    loss = model[8]
    sum_1 = model[9]
    # gamma <- Min(loss/(eps + sum_1), lr)
    gamma = minimum(loss / (eps + sum_1), lr)
    model[10] = gamma


@element_pass
def alig_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    momentum = float32(model[6])
    gamma = float32(model[10])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        t1 = -gamma * g_i
        # b <- -g*gamma + momentum*b
        b_new = t1 + momentum * b_i
        # p <- -g*gamma + momentum*b_new + p
        p_new = t1 + p_i + momentum * b_new
        b[i] = b_new
        p[i] = p_new
