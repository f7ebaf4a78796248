"""The rule kate over p, g, b, m, in float32, for the CPU.

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
def kate_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[8]
    c1 = 1.0 - lr * weight_decay
    model[9] = c1


@element_pass
def kate_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b, m; writes b, m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    m = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    delta = float32(model[6])
    eps = float32(model[7])
    c1 = float32(model[9])  # -lr*weight_decay + 1
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        m_i = m[i]
        t1 = g_i**2
        # b <- g**2 + eps + b
        b_new = t1 + b_i + eps
        t2 = float32(1.0) / b_new
        # m <- g**2*delta + g**2/b_new + m
        m_new = m_i + t1 * t2 + delta * t1
        # p <- -g*lr*sqrt(m_new)/b_new + p*(-lr*weight_decay + 1)
        p_new = c1 * p_i - lr * t2 * g_i * sqrt(m_new)
        b[i] = b_new
        m[i] = m_new
        p[i] = p_new
