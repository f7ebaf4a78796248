"""The rule lion over p, g, m, in bfloat16, master split16, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    from_bfloat16,
    from_split16,
    int16_array,
    model_scalars,
    sign,
    split16_rest,
    split16_upper,
    uint16_array,
)


@model_scalars
def lion_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    model[9] = one_minus_beta1
    model[10] = one_minus_beta2


@element_pass
def lion_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m; writes p, m."""
    p = uint16_array(arrays[0], start, count)
    p_rest = int16_array(arrays[3], start, count)
    g = uint16_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    weight_decay = float32(model[8])
    one_minus_beta1 = float32(model[9])  # 1 - beta1
    one_minus_beta2 = float32(model[10])  # 1 - beta2
    for i in range(count):
        p_i = from_split16(p[i], p_rest[i])
        g_i = from_bfloat16(g[i])
        m_i = m[i]
        # p <- -lr*(weight_decay*p + sign(g*(1 - beta1) + beta1*m)) + p
        p_new = p_i - lr * (weight_decay * p_i + sign(one_minus_beta1 * g_i + beta1 * m_i))
        # m <- g*(1 - beta2) + beta2*m
        m_new = one_minus_beta2 * g_i + beta2 * m_i
        p[i] = split16_upper(p_new)
        p_rest[i] = split16_rest(p_new)
        m[i] = m_new
