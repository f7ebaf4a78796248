"""The rule accsgd over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.runtime.kernel import (
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
    t1 = constant**2
    t2 = 1.0 / kappa
    c1 = 1.0 - t1 * t2 * xi
    c2 = kappa * lr / constant
    t3 = t1 * t2 * xi
    c3 = t3
    t4 = 1.0 / (t3 + constant)
    c4 = 1.0 - t4 * constant
    c5 = t4 * constant
    model[10] = c1
    model[11] = c2
    model[12] = c3
    model[13] = c4
    model[14] = c5


@element_pass
def accsgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    weight_decay = float32(model[9])
    c1 = float32(model[10])  # -constant**2*xi/kappa + 1
    c2 = float32(model[11])  # kappa*lr/constant
    c3 = float32(model[12])  # constant**2*xi/kappa
    c4 = float32(model[13])  # -constant/(constant**2*xi/kappa + constant) + 1
    c5 = float32(model[14])  # constant/(constant**2*xi/kappa + constant)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        t5 = g_i + weight_decay * p_i
        # b <- constant**2*xi*(-kappa*lr*...*... + p)/kappa + b*(-xi*...*... + 1)
        b_new = c1 * b_i + c3 * (p_i - c2 * t5)
        # p <- constant*(-lr*... + p)/(constant + ...) + b_new*(-constant*... + 1)
        p_new = c4 * b_new + c5 * (p_i - lr * t5)
        b[i] = b_new
        p[i] = p_new
