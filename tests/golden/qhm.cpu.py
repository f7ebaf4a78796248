"""The rule qhm over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def qhm_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    nu = model[7]
    one_minus_momentum = 1.0 - momentum
    one_minus_nu = 1.0 - nu
    model[9] = one_minus_momentum
    model[10] = one_minus_nu


@element_pass
def qhm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    nu = float32(model[7])
    weight_decay = float32(model[8])
    one_minus_momentum = float32(model[9])  # 1 - momentum
    one_minus_nu = float32(model[10])  # 1 - nu
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        t1 = g_i + weight_decay * p_i
        # b <- momentum*b + (1 - momentum)*(g + weight_decay*p)
        b_new = one_minus_momentum * t1 + momentum * b_i
        # p <- -lr*(nu*b_new + (1 - nu)*(g + weight_decay*p)) + p
        p_new = p_i - lr * (one_minus_nu * t1 + nu * b_new)
        b[i] = b_new
        p[i] = p_new
