"""The rule adam over p, g, m, v, in float32, int8 m, uint8 v, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    block_scratch,
    element_pass,
    factor_from_int8,
    factor_from_uint8,
    factor_to_int8,
    factor_to_uint8,
    float32,
    float32_array,
    float_of,
    from_int8,
    from_uint8,
    int32,
    int8_array,
    larger_bits,
    model_scalars,
    sqrt,
    to_int8,
    to_uint8,
    uint32,
    uint8_array,
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
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    c2 = float32(model[13])  # lr/(1 - beta1**step)
    m_scale = float32_array(arrays[4], start // 256, (count + 255) // 256)
    v_scale = float32_array(arrays[5], start // 256, (count + 255) // 256)
    m_held = block_scratch()
    v_held = block_scratch()
    for block in range((count + 255) // 256):
        first_ = 256 * block
        size_ = min(256, count - first_)
        p = float32_array(arrays[0], start + first_, size_)
        g = float32_array(arrays[1], grad_start + first_, size_)
        m = int8_array(arrays[2], start + first_, size_)
        v = uint8_array(arrays[3], start + first_, size_)
        m_old = factor_from_int8(m_scale[block])
        v_old = factor_from_uint8(v_scale[block])
        m_top = int32(0)
        v_top = int32(0)
        for i in range(size_):
            p_i = p[i]
            g_i = g[i]
            m_i = from_int8(m[i], m_old)
            v_i = from_uint8(v[i], v_old)
            t1 = g_i + weight_decay * p_i
            # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
            m_new = one_minus_beta1 * t1 + beta1 * m_i
            # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
            v_new = one_minus_beta2 * t1**2 + beta2 * v_i
            # p <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step)))) + p
            p_new = p_i - c2 * m_new / (eps + sqrt(c1 * v_new))
            p[i] = p_new
            m_held[i] = m_new
            m_top = larger_bits(m_top, m_new)
            v_held[i] = v_new
            v_top = larger_bits(v_top, v_new)
        m_new_scale = float_of(uint32(m_top))
        m_scale[block] = m_new_scale
        m_new_ = factor_to_int8(m_new_scale)
        for i in range(size_):
            m[i] = to_int8(m_held[i], m_new_)
        v_new_scale = sqrt(float_of(uint32(v_top)))
        v_scale[block] = v_new_scale
        v_new_ = factor_to_uint8(v_new_scale)
        for i in range(size_):
            v[i] = to_uint8(v_held[i], v_new_)
