"""The rule sgd_keras over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def sgd_keras_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[7]
    c1 = lr * weight_decay
    model[8] = c1


@element_pass
def sgd_keras_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    c1 = float32(model[8])  # lr*weight_decay
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        # b <- -g*lr + momentum*b
        b_new = momentum * b_i - lr * g_i
        # p <- -lr*weight_decay*p + b_new + p
        p_new = b_new + p_i - c1 * p_i
        b[i] = b_new
        p[i] = p_new
