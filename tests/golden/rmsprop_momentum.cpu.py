"""The rule rmsprop_momentum over p, g, v, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
)


@model_scalars
def rmsprop_momentum_scalars_1(model):
    """Scalars of the model, in float64."""
    alpha = model[6]
    one_minus_alpha = 1.0 - alpha
    model[9] = one_minus_alpha


@element_pass
def rmsprop_momentum_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v, b; writes v, b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    b = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    alpha = float32(model[6])
    eps = float32(model[7])
    momentum = float32(model[8])
    one_minus_alpha = float32(model[9])  # 1 - alpha
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        b_i = b[i]
        # v <- g**2*(1 - alpha) + alpha*v
        v_new = one_minus_alpha * g_i**2 + alpha * v_i
        # b <- g/(eps + sqrt(v_new)) + momentum*b
        b_new = g_i / (eps + sqrt(v_new)) + momentum * b_i
        # p <- -lr*b_new + p
        p_new = p_i - lr * b_new
        v[i] = v_new
        b[i] = b_new
        p[i] = p_new
