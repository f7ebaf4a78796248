"""The rule adamod over p, g, m, v, s, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    minimum,
    model_scalars,
    sqrt,
)


@model_scalars
def adamod_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    beta3 = model[8]
    weight_decay = model[10]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    t1 = 1.0 / (1.0 - beta1 ** step)
    t2 = sqrt(1.0 - beta2 ** step)
    c1 = t1 * t2 * lr * (1.0 - beta3)
    c2 = 1.0 - lr * weight_decay
    c3 = t1 * t2 * lr
    model[11] = one_minus_beta1
    model[12] = one_minus_beta2
    model[13] = c1
    model[14] = c2
    model[15] = c3


@element_pass
def adamod_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, s; writes m, v, s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    s = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    beta3 = float32(model[8])
    eps = float32(model[9])
    one_minus_beta1 = float32(model[11])  # 1 - beta1
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c1 = float32(model[13])  # lr*sqrt(1 - beta2**step)*(1 - beta3)/(1 - beta1**step)
    c2 = float32(model[14])  # -lr*weight_decay + 1
    c3 = float32(model[15])  # lr*sqrt(1 - beta2**step)/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        s_i = s[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        t3 = float32(1.0) / (eps + sqrt(v_new))
        # s <- beta3*s + lr*sqrt(1 - beta2**step)*(1 - beta3)/((1 - beta1**step)*(eps + sqrt(v_new)))
        s_new = beta3 * s_i + c1 * t3
        # p <- -m_new*Min(lr*...*...*..., s_new) + p*(-lr*weight_decay + 1)
        p_new = c2 * p_i - m_new * minimum(c3 * t3, s_new)
        m[i] = m_new
        v[i] = v_new
        s[i] = s_new
        p[i] = p_new
