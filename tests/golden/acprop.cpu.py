"""The rule acprop over p, g, m, s, in float32, for the CPU.

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
def acprop_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    c1 = 1.0 / (1.0 - beta2 ** maximum(step - 1.0, 1.0))
    one_minus_beta2 = 1.0 - beta2
    one_minus_beta1 = 1.0 - beta1
    model[11] = c1
    model[12] = one_minus_beta2
    model[13] = one_minus_beta1


@element_pass
def acprop_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, s; writes p, s, m."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    eps_root = float32(model[9])
    weight_decay = float32(model[10])
    c1 = float32(model[11])  # 1/(1 - beta2**Max(step - 1, 1))
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    one_minus_beta1 = float32(model[13])  # 1 - beta1
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        s_i = s[i]
        # p <- -lr*(g*... + weight_decay*p) + p
        p_new = p_i - lr * (g_i / (eps + sqrt((c1 * s_i if step > float32(1.0) else float32(1.0)))) + weight_decay * p_i)
        # s <- beta2*s + eps_root + (1 - beta2)*(g - m)**2
        s_new = eps_root + one_minus_beta2 * (g_i - m_i)**2 + beta2 * s_i
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        p[i] = p_new
        s[i] = s_new
        m[i] = m_new
