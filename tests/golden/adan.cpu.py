"""The rule adan over p, g, m, v, n, g_last, in float32, for the CPU.

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
def adan_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    beta3 = model[8]
    weight_decay = model[10]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    one_minus_beta3 = 1.0 - beta3
    c1 = 1.0 / (1.0 - beta3 ** step)
    c2 = 1.0 / (1.0 - beta1 ** step)
    c3 = beta2 / (1.0 - beta2 ** step)
    c4 = 1.0 / (1.0 + lr * weight_decay)
    model[11] = one_minus_beta1
    model[12] = one_minus_beta2
    model[13] = one_minus_beta3
    model[14] = c1
    model[15] = c2
    model[16] = c3
    model[17] = c4


@element_pass
def adan_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, n, g_last; writes m, v, n, p, g_last."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    n = float32_array(arrays[4], start, count)
    g_last = float32_array(arrays[5], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    beta3 = float32(model[8])
    eps = float32(model[9])
    one_minus_beta1 = float32(model[11])  # 1 - beta1
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    one_minus_beta3 = float32(model[13])  # 1 - beta3
    c1 = float32(model[14])  # 1/(1 - beta3**step)
    c2 = float32(model[15])  # 1/(1 - beta1**step)
    c3 = float32(model[16])  # beta2/(1 - beta2**step)
    c4 = float32(model[17])  # 1/(lr*weight_decay + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        n_i = n[i]
        g_last_i = g_last[i]
        # g_last_old <- where(step == 1, g, g_last)
        g_last_old = (g_i if step == float32(1.0) else g_last_i)
        # d <- g - g_last_old
        d = g_i - g_last_old
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- beta2*v + d*(1 - beta2)
        v_new = one_minus_beta2 * d + beta2 * v_i
        # n <- beta3*n + (1 - beta3)*(g + beta2*d)**2
        n_new = one_minus_beta3 * (g_i + beta2 * d)**2 + beta3 * n_i
        # p <- (-lr*(... + ...)/... + p)/(lr*weight_decay + 1)
        p_new = c4 * (p_i - lr * (c2 * m_new + c3 * v_new) / (eps + sqrt(c1 * n_new)))
        # g_last <- g
        g_last_new = g_i
        m[i] = m_new
        v[i] = v_new
        n[i] = n_new
        p[i] = p_new
        g_last[i] = g_last_new
