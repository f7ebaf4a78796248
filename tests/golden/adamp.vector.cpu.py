"""The rule adamp over p, g, m, v, in float32, for the CPU.

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
def adamp_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = 1.0 - lr * weight_decay
    c3 = lr / (1.0 - beta1 ** step)
    model[12] = one_minus_beta1
    model[13] = one_minus_beta2
    model[14] = c1
    model[15] = c2
    model[16] = c3


@element_pass
def adamp_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    one_minus_beta1 = float32(model[12])  # 1 - beta1
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    c1 = float32(model[14])  # 1/(1 - beta2**step)
    c2 = float32(model[15])  # -lr*weight_decay + 1
    c3 = float32(model[16])  # lr/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # u <- m_new/(eps + sqrt(v_new/(1 - beta2**step)))
        u = m_new / (eps + sqrt(c1 * v_new))
        # p <- -lr*u/(1 - beta1**step) + p*(-lr*weight_decay + 1)
        p_new = c2 * p_i - c3 * u
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
