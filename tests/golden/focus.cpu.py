"""The rule focus over p, g, m, average, in float32, for the CPU.

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
def focus_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = lr * weight_decay
    model[10] = one_minus_beta1
    model[11] = one_minus_beta2
    model[12] = c1
    model[13] = c2


@element_pass
def focus_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, average; writes m, average, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    average = float32_array(arrays[3], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    gamma = float32(model[8])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    c2 = float32(model[13])  # lr*weight_decay
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        average_i = average[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # average <- beta2*average + p*(1 - beta2)
        average_new = one_minus_beta2 * p_i + beta2 * average_i
        # p_hat <- where(step > 1, average_new/(1 - beta2**step), p)
        p_hat = (c1 * average_new if step > float32(1.0) else p_i)
        # decayed <- -lr*weight_decay*p_hat + p
        decayed = p_i - c2 * p_hat
        # p <- -lr*(gamma*sign(decayed - p_hat) + sign(m_new)) + decayed
        p_new = decayed - lr * (gamma * sign(decayed - p_hat) + sign(m_new))
        m[i] = m_new
        average[i] = average_new
        p[i] = p_new
