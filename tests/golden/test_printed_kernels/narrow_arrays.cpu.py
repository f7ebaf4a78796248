"""The rule adam over p, g, m, v, in bfloat16, bfloat16 m v, stochastic rounding, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    from_bfloat16,
    low_word,
    model_scalars,
    noise_at,
    noise_bits,
    rounding_key,
    sqrt,
    to_bfloat16_by,
    uint16_array,
    uint32,
)


@model_scalars
def adam_scalars_1(model):
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
def adam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = uint16_array(arrays[0], start, count)
    g = uint16_array(arrays[1], grad_start, count)
    m = uint16_array(arrays[2], start, count)
    v = uint16_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    c2 = float32(model[13])  # lr/(1 - beta1**step)
    rounding = rounding_key(model, tensor)
    base = low_word(start)
    for i in range(count):
        p_i = from_bfloat16(p[i])
        g_i = from_bfloat16(g[i])
        m_i = from_bfloat16(m[i])
        v_i = from_bfloat16(v[i])
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * t1**2 + beta2 * v_i
        # p <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step)))) + p
        p_new = p_i - c2 * m_new / (eps + sqrt(c1 * v_new))
        noise = noise_at(rounding, base + uint32(i))
        m[i] = to_bfloat16_by(m_new, noise_bits(noise, 65536))
        v[i] = to_bfloat16_by(v_new, noise_bits(noise, 4293315681))
        p[i] = to_bfloat16_by(p_new, noise_bits(noise, 1))
