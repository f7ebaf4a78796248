"""The rule aggmo over p, g, b1, b2, b3, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def aggmo_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    c1 = lr / 3.0
    model[10] = c1


@element_pass
def aggmo_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b1, b2, b3; writes b1, b2, b3, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b1 = float32_array(arrays[2], start, count)
    b2 = float32_array(arrays[3], start, count)
    b3 = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    beta3 = float32(model[8])
    weight_decay = float32(model[9])
    c1 = float32(model[10])  # lr/3
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b1_i = b1[i]
        b2_i = b2[i]
        b3_i = b3[i]
        t1 = weight_decay * p_i
        # b1 <- g + beta1*b1 + weight_decay*p
        b1_new = t1 + g_i + beta1 * b1_i
        # b2 <- g + beta2*b2 + weight_decay*p
        b2_new = t1 + g_i + beta2 * b2_i
        # b3 <- g + beta3*b3 + weight_decay*p
        b3_new = t1 + g_i + beta3 * b3_i
        # p <- -lr*(b1_new + b2_new + b3_new)/3 + p
        p_new = p_i + (b1_new + b2_new + b3_new) * (-c1)
        b1[i] = b1_new
        b2[i] = b2_new
        b3[i] = b3_new
        p[i] = p_new
