"""The rule my_rmsprop over p, g, a, in float64, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float64_array,
    model_scalars,
    sqrt,
)


@model_scalars
def my_rmsprop_scalars_1(model):
    """Scalars of the model, in float64."""
    rho = model[6]
    one_minus_rho = 1.0 - rho
    model[7] = one_minus_rho


@element_pass
def my_rmsprop_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, a; writes a, p."""
    p = float64_array(arrays[0], start, count)
    g = float64_array(arrays[1], grad_start, count)
    a = float64_array(arrays[2], start, count)
    lr = model[5]
    rho = model[6]
    one_minus_rho = model[7]  # 1 - rho
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        a_i = a[i]
        # a <- g**2*(1 - rho) + rho*a
        a_new = one_minus_rho * g_i**2 + rho * a_i
        # p <- -g*lr/sqrt(a_new) + p
        p_new = p_i - lr * g_i / sqrt(a_new)
        a[i] = a_new
        p[i] = p_new
