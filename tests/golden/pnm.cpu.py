"""The rule pnm over p, g, before, last, in float32, for the CPU.

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
def pnm_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    beta0 = model[7]
    t1 = beta1**2
    c1 = t1
    c2 = 1.0 - t1
    t2 = beta0 + 1.0
    c3 = t2
    c4 = 1.0 / sqrt(t2**2 + beta0**2)
    model[9] = c1
    model[10] = c2
    model[11] = c3
    model[12] = c4


@element_pass
def pnm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, before, last; writes last, before, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    before = float32_array(arrays[2], start, count)
    last = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    beta0 = float32(model[7])
    weight_decay = float32(model[8])
    c1 = float32(model[9])  # beta1**2
    c2 = float32(model[10])  # 1 - beta1**2
    c3 = float32(model[11])  # beta0 + 1
    c4 = float32(model[12])  # 1/sqrt(beta0**2 + (beta0 + 1)**2)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        before_i = before[i]
        last_i = last[i]
        # last <- g*(1 - beta1**2) + beta1**2*before
        last_new = c1 * before_i + c2 * g_i
        # before <- last
        before_new = last_i
        # p <- -lr*(weight_decay*p + ...*...) + p
        p_new = p_i - lr * (c4 * (c3 * last_new - beta0 * last_i) + weight_decay * p_i)
        last[i] = last_new
        before[i] = before_new
        p[i] = p_new
