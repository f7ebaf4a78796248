"""The rule adafactor_bv over p, g, m, v, in float32, for the CPU.

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
def adafactor_bv_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    decay_rate = model[6]
    beta2_cap = model[7]
    momentum = model[8]
    weight_decay = model[9]
    # b <- Max(1 - beta2_cap, step**(-decay_rate))
    b = maximum(1.0 - beta2_cap, step ** (-decay_rate))
    one_minus_momentum = 1.0 - momentum
    c1 = 1.0 - lr * weight_decay
    model[11] = b
    model[12] = one_minus_momentum
    model[13] = c1


@element_pass
def adafactor_bv_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes v, m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    momentum = float32(model[8])
    eps = float32(model[10])
    b = float32(model[11])
    one_minus_momentum = float32(model[12])  # 1 - momentum
    c1 = float32(model[13])  # -lr*weight_decay + 1
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # v <- b*(g**2 + eps - v) + v
        v_new = v_i + b * (eps + g_i**2 - v_i)
        # m <- g*(1 - momentum)/sqrt(v_new) + momentum*m
        m_new = momentum * m_i + one_minus_momentum * g_i / sqrt(v_new)
        # p <- -lr*m_new + p*(-lr*weight_decay + 1)
        p_new = c1 * p_i - lr * m_new
        v[i] = v_new
        m[i] = m_new
        p[i] = p_new
