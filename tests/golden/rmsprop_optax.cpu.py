"""The rule rmsprop_optax over p, g, v, in float32, for the CPU.

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
def rmsprop_optax_scalars_1(model):
    """Scalars of the model, in float64."""
    alpha = model[6]
    one_minus_alpha = 1.0 - alpha
    model[8] = one_minus_alpha


@element_pass
def rmsprop_optax_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    alpha = float32(model[6])
    eps = float32(model[7])
    one_minus_alpha = float32(model[8])  # 1 - alpha
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        # v <- g**2*(1 - alpha) + alpha*v
        v_new = one_minus_alpha * g_i**2 + alpha * v_i
        # p <- -g*lr/sqrt(eps + v_new) + p
        p_new = p_i - lr * g_i / sqrt(v_new + eps)
        v[i] = v_new
        p[i] = p_new
