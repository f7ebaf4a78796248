"""The rule adapnm over p, g, before, last, v, v_max, in float32, for the CPU.

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
def adapnm_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    beta0 = model[8]
    t1 = beta1**2
    c1 = t1
    c2 = 1.0 - t1
    one_minus_beta2 = 1.0 - beta2
    c3 = 1.0 / (1.0 - beta2 ** step)
    t2 = beta0 + 1.0
    c4 = t2
    c5 = 1.0 / (1.0 - beta1 ** step) / sqrt(t2**2 + beta0**2)
    model[11] = c1
    model[12] = c2
    model[13] = one_minus_beta2
    model[14] = c3
    model[15] = c4
    model[16] = c5


@element_pass
def adapnm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, before, last, v, v_max; writes last, before, v, v_max, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    before = float32_array(arrays[2], start, count)
    last = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    v_max = float32_array(arrays[5], start, count)
    lr = float32(model[5])
    beta2 = float32(model[7])
    beta0 = float32(model[8])
    eps = float32(model[9])
    weight_decay = float32(model[10])
    c1 = float32(model[11])  # beta1**2
    c2 = float32(model[12])  # 1 - beta1**2
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    c3 = float32(model[14])  # 1/(1 - beta2**step)
    c4 = float32(model[15])  # beta0 + 1
    c5 = float32(model[16])  # 1/((1 - beta1**step)*sqrt(beta0**2 + (beta0 + 1)**2))
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        before_i = before[i]
        last_i = last[i]
        v_i = v[i]
        v_max_i = v_max[i]
        # last <- g*(1 - beta1**2) + beta1**2*before
        last_new = c1 * before_i + c2 * g_i
        # before <- last
        before_new = last_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # v_max <- Max(v_max, v_new)
        v_max_new = maximum(v_max_i, v_new)
        # p <- -lr*(weight_decay*p + ...*...*...*...) + p
        p_new = p_i - lr * (weight_decay * p_i + c5 * (c4 * last_new - beta0 * last_i) / (eps + sqrt(c3 * v_max_new)))
        last[i] = last_new
        before[i] = before_new
        v[i] = v_new
        v_max[i] = v_max_new
        p[i] = p_new
