"""The rule adagrad over p, g, s, in float32, for the CPU.

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
def adagrad_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    lr_decay = model[6]
    c1 = lr / (1.0 + lr_decay * (step - 1.0))
    model[10] = c1


@element_pass
def adagrad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, s; writes s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[2], start, count)
    weight_decay = float32(model[7])
    eps = float32(model[9])
    c1 = float32(model[10])  # lr/(lr_decay*(step - 1) + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        s_i = s[i]
        t1 = g_i + weight_decay * p_i
        # s <- s + (g + weight_decay*p)**2
        s_new = s_i + t1**2
        # p <- -lr*(g + weight_decay*p)/((eps + sqrt(s_new))*(lr_decay*(step - 1) + 1)) + p
        p_new = p_i - c1 * t1 / (eps + sqrt(s_new))
        s[i] = s_new
        p[i] = p_new
