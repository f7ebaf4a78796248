"""The rule adabelief over p, g, m, s, in float32, for the CPU.

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
def adabelief_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = lr / (1.0 - beta1 ** step)
    model[10] = one_minus_beta1
    model[11] = one_minus_beta2
    model[12] = c1
    model[13] = c2


@element_pass
def adabelief_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, s; writes m, s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    eps_root = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    c2 = float32(model[13])  # lr/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        s_i = s[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # s <- beta2*s + eps_root + (1 - beta2)*(g - m_new)**2
        s_new = eps_root + one_minus_beta2 * (g_i - m_new)**2 + beta2 * s_i
        # p <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(s_new/(1 - beta2**step)))) + p
        p_new = p_i - c2 * m_new / (eps + sqrt(c1 * s_new))
        m[i] = m_new
        s[i] = s_new
        p[i] = p_new
