"""The rule diffgrad over p, g, m, v, previous, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    exp,
    float32,
    float32_array,
    model_scalars,
    sqrt,
)


@model_scalars
def diffgrad_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = lr * sqrt(1.0 - beta2 ** step) / (1.0 - beta1 ** step)
    model[10] = one_minus_beta1
    model[11] = one_minus_beta2
    model[12] = c1


@element_pass
def diffgrad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, previous; writes m, v, p, previous."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    previous = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # lr*sqrt(1 - beta2**step)/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        previous_i = previous[i]
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * t1**2 + beta2 * v_i
        # p <- p + mul of 7 parts
        p_new = p_i - c1 * m_new / (exp(-abs(previous_i - g_i - weight_decay * p_i)) + float32(1.0)) / (eps + sqrt(v_new))
        # previous <- g + weight_decay*p
        previous_new = t1
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
        previous[i] = previous_new
