"""The rule optimistic_gradient_descent over p, g, last, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def optimistic_gradient_descent_scalars_1(model):
    """Scalars of the model, in float64."""
    alpha = model[6]
    beta = model[7]
    c1 = alpha + beta
    model[8] = c1


@element_pass
def optimistic_gradient_descent_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, last; writes last, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    last = float32_array(arrays[2], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta = float32(model[7])
    c1 = float32(model[8])  # alpha + beta
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        last_i = last[i]
        # last_old <- where(step == 1, g, last)
        last_old = (g_i if step == float32(1.0) else last_i)
        # last <- g
        last_new = g_i
        # p <- -lr*(-beta*last_old + last_new*(alpha + beta)) + p
        p_new = p_i - lr * (c1 * last_new - beta * last_old)
        last[i] = last_new
        p[i] = p_new
