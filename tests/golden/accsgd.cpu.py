"""The rule accsgd over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def accsgd_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    kappa = model[6]
    xi = model[7]
    constant = model[8]
    c1 = kappa * lr / constant
    t1 = xi * constant**2 / kappa
    c2 = t1
    c3 = constant / (t1 + constant)
    model[10] = c1
    model[11] = c2
    model[12] = c3


@element_pass
def accsgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    weight_decay = float32(model[9])
    c1 = float32(model[10])  # kappa*lr/constant
    c2 = float32(model[11])  # constant**2*xi/kappa
    c3 = float32(model[12])  # constant/(constant**2*xi/kappa + constant)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        t2 = g_i + weight_decay * p_i
        # b <- constant**2*xi*(p - b - kappa*lr*(g + weight_decay*p)/constant)/kappa + b
        b_new = b_i + c2 * (p_i - b_i - c1 * t2)
        # p <- constant*(-lr*(g + weight_decay*p) - b_new + p)/(constant**2*xi/kappa + constant) + b_new
        p_new = b_new + c3 * (p_i - b_new - lr * t2)
        b[i] = b_new
        p[i] = p_new
