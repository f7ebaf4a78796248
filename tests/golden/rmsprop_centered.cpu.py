"""The rule rmsprop_centered over p, g, v, a, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    model_scalars,
    sqrt,
)


@model_scalars
def rmsprop_centered_scalars_1(model):
    """Scalars of the model, in float64."""
    alpha = model[6]
    one_minus_alpha = 1.0 - alpha
    model[8] = one_minus_alpha


@element_pass
def rmsprop_centered_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v, a; writes v, a, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    a = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    alpha = float32(model[6])
    eps = float32(model[7])
    one_minus_alpha = float32(model[8])  # 1 - alpha
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        a_i = a[i]
        # v <- g**2*(1 - alpha) + alpha*v
        v_new = one_minus_alpha * g_i**2 + alpha * v_i
        # a <- g*(1 - alpha) + alpha*a
        a_new = one_minus_alpha * g_i + alpha * a_i
        # p <- -g*lr/(eps + sqrt(Max(-a_new**2 + v_new, 0))) + p
        p_new = p_i - lr * g_i / (eps + sqrt(maximum(v_new - a_new**2, float32(0.0))))
        v[i] = v_new
        a[i] = a_new
        p[i] = p_new
