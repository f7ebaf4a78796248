"""The rule momentum_sgd over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def momentum_sgd_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    dampening = model[7]
    c1 = (1.0 - dampening if step > 1.0 else 1.0)
    model[9] = c1


@element_pass
def momentum_sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    weight_decay = float32(model[8])
    c1 = float32(model[9])  # where(step > 1, 1 - dampening, 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        # b <- momentum*b + (g + weight_decay*p)*where(step > 1, 1 - dampening, 1)
        b_new = c1 * (g_i + weight_decay * p_i) + momentum * b_i
        # p <- -lr*b_new + p
        p_new = p_i - lr * b_new
        b[i] = b_new
        p[i] = p_new
