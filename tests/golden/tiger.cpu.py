"""The rule tiger over p, g, m, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sign,
)


@model_scalars
def tiger_scalars_1(model):
    """Scalars of the model, in float64."""
    beta = model[6]
    one_minus_beta = 1.0 - beta
    model[8] = one_minus_beta


@element_pass
def tiger_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m; writes m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    beta = float32(model[6])
    weight_decay = float32(model[7])
    one_minus_beta = float32(model[8])  # 1 - beta
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        # m <- g*(1 - beta) + beta*m
        m_new = one_minus_beta * g_i + beta * m_i
        # p <- -lr*(weight_decay*p + sign(m_new)) + p
        p_new = p_i - lr * (weight_decay * p_i + sign(m_new))
        m[i] = m_new
        p[i] = p_new
