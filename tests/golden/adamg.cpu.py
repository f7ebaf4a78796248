"""The rule adamg over p, g, m, v, r, in float32, for the CPU.

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
def adamg_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    beta3 = model[8]
    scale = model[9]
    one_minus_beta2 = 1.0 - beta2
    c1 = scale * (1.0 - beta3)
    one_minus_beta1 = 1.0 - beta1
    c2 = 1.0 / (1.0 - beta2 ** step)
    c3 = minimum(lr, 1.0 / sqrt(step)) / (1.0 - beta1 ** step)
    model[13] = one_minus_beta2
    model[14] = c1
    model[15] = one_minus_beta1
    model[16] = c2
    model[17] = c3


@element_pass
def adamg_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, r; writes v, r, m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    r = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    beta3 = float32(model[8])
    power = float32(model[10])
    eps = float32(model[11])
    weight_decay = float32(model[12])
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    c1 = float32(model[14])  # scale*(1 - beta3)
    one_minus_beta1 = float32(model[15])  # 1 - beta1
    c2 = float32(model[16])  # 1/(1 - beta2**step)
    c3 = float32(model[17])  # Min(lr, 1/sqrt(step))/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        r_i = r[i]
        t1 = g_i + weight_decay * p_i
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * t1**2 + beta2 * v_i
        # r <- beta3*r + scale*v_new**power*(1 - beta3)
        r_new = beta3 * r_i + c1 * v_new ** power
        # m <- beta1*m + r_new*(1 - beta1)*(g + weight_decay*p)
        m_new = beta1 * m_i + one_minus_beta1 * t1 * r_new
        # p <- -m_new*Min(lr, 1/sqrt(step))/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step)))) + p
        p_new = p_i - c3 * m_new / (eps + sqrt(c2 * v_new))
        v[i] = v_new
        r[i] = r_new
        m[i] = m_new
        p[i] = p_new
