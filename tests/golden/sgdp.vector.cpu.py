"""The rule sgdp over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def sgdp_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    momentum = model[6]
    dampening = model[7]
    weight_decay = model[8]
    one_minus_dampening = 1.0 - dampening
    c1 = 1.0 - lr * weight_decay / (1.0 - momentum)
    model[12] = one_minus_dampening
    model[13] = c1


@element_pass
def sgdp_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    one_minus_dampening = float32(model[12])  # 1 - dampening
    c1 = float32(model[13])  # -lr*weight_decay/(1 - momentum) + 1
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        # b <- g*(1 - dampening) + momentum*b
        b_new = one_minus_dampening * g_i + momentum * b_i
        # u <- b_new
        u = b_new
        # p <- -lr*u + p*(-lr*weight_decay/(1 - momentum) + 1)
        p_new = c1 * p_i - lr * u
        b[i] = b_new
        p[i] = p_new
