"""The rule adam over p, g, m, v, in float32, int8 m, uint8 v, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    block_pass,
    element,
    factor_from_int8,
    factor_from_uint8,
    factor_to_int8,
    factor_to_uint8,
    float32_array,
    float64,
    float_of,
    from_int8,
    from_uint8,
    int32,
    int8_array,
    larger_bits,
    load8_within,
    maximum_of,
    model_scalars,
    narrowed,
    sqrt,
    store8_within,
    thread,
    threads,
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


@element
def adam_element_1(
    p_i, g_i, stored_m, stored_v, m_old, v_old, beta1, beta2, eps, weight_decay,
    one_minus_beta1, one_minus_beta2, c1, c2,
):
    """What pass 1 does to an element."""
    m_i = from_int8(stored_m, m_old)
    v_i = from_uint8(stored_v, v_old)
    t1 = g_i + weight_decay * p_i
    # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
    m_new = one_minus_beta1 * t1 + beta1 * m_i
    # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
    v_new = one_minus_beta2 * t1**2 + beta2 * v_i
    # p <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step)))) + p
    p_new = p_i - c2 * m_new / (eps + sqrt(c1 * v_new))
    return m_new, v_new, p_new


@block_pass
def adam_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = int8_array(arrays[2], start, count)
    v = uint8_array(arrays[3], start, count)
    m_scale = float32_array(arrays[4], start // 256, (count + 255) // 256)
    v_scale = float32_array(arrays[5], start // 256, (count + 255) // 256)
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    eps = narrowed(model[8])
    weight_decay = narrowed(model[9])
    one_minus_beta1 = narrowed(model[10])  # 1 - beta1
    one_minus_beta2 = narrowed(model[11])  # 1 - beta2
    c1 = narrowed(model[12])  # 1/(1 - beta2**step)
    c2 = narrowed(model[13])  # lr/(1 - beta1**step)
    for turn in range((count + 8 * threads() - 1) // (8 * threads())):
        k = turn * threads() + thread()
        block = min(k // 32, (count - 1) // 256)
        m_old = factor_from_int8(m_scale[block])
        v_old = factor_from_uint8(v_scale[block])
        p_0, p_1, p_2, p_3, p_4, p_5, p_6, p_7 = load8_within(p, k, count)
        g_0, g_1, g_2, g_3, g_4, g_5, g_6, g_7 = load8_within(g, k, count)
        m_0, m_1, m_2, m_3, m_4, m_5, m_6, m_7 = load8_within(m, k, count)
        v_0, v_1, v_2, v_3, v_4, v_5, v_6, v_7 = load8_within(v, k, count)
        m_new_0, v_new_0, p_new_0 = adam_element_1(
            p_0, g_0, m_0, v_0, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_1, v_new_1, p_new_1 = adam_element_1(
            p_1, g_1, m_1, v_1, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_2, v_new_2, p_new_2 = adam_element_1(
            p_2, g_2, m_2, v_2, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_3, v_new_3, p_new_3 = adam_element_1(
            p_3, g_3, m_3, v_3, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_4, v_new_4, p_new_4 = adam_element_1(
            p_4, g_4, m_4, v_4, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_5, v_new_5, p_new_5 = adam_element_1(
            p_5, g_5, m_5, v_5, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_6, v_new_6, p_new_6 = adam_element_1(
            p_6, g_6, m_6, v_6, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_new_7, v_new_7, p_new_7 = adam_element_1(
            p_7, g_7, m_7, v_7, m_old, v_old, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2,
        )
        m_top = int32(0)
        if 8 * k < count:
            m_top = larger_bits(m_top, m_new_0)
        if 8 * k + 1 < count:
            m_top = larger_bits(m_top, m_new_1)
        if 8 * k + 2 < count:
            m_top = larger_bits(m_top, m_new_2)
        if 8 * k + 3 < count:
            m_top = larger_bits(m_top, m_new_3)
        if 8 * k + 4 < count:
            m_top = larger_bits(m_top, m_new_4)
        if 8 * k + 5 < count:
            m_top = larger_bits(m_top, m_new_5)
        if 8 * k + 6 < count:
            m_top = larger_bits(m_top, m_new_6)
        if 8 * k + 7 < count:
            m_top = larger_bits(m_top, m_new_7)
        m_top = int32(maximum_of(float64(m_top), 32, scratch))
        m_new_scale = float_of(uint32(m_top))
        if k % 32 == 0 and 8 * k < count:
            m_scale[block] = m_new_scale
        m_new_ = factor_to_int8(m_new_scale)
        m_code_0 = to_int8(m_new_0, m_new_)
        m_code_1 = to_int8(m_new_1, m_new_)
        m_code_2 = to_int8(m_new_2, m_new_)
        m_code_3 = to_int8(m_new_3, m_new_)
        m_code_4 = to_int8(m_new_4, m_new_)
        m_code_5 = to_int8(m_new_5, m_new_)
        m_code_6 = to_int8(m_new_6, m_new_)
        m_code_7 = to_int8(m_new_7, m_new_)
        store8_within(
            m, k, count, m_code_0, m_code_1, m_code_2, m_code_3, m_code_4, m_code_5,
            m_code_6, m_code_7,
        )
        v_top = int32(0)
        if 8 * k < count:
            v_top = larger_bits(v_top, v_new_0)
        if 8 * k + 1 < count:
            v_top = larger_bits(v_top, v_new_1)
        if 8 * k + 2 < count:
            v_top = larger_bits(v_top, v_new_2)
        if 8 * k + 3 < count:
            v_top = larger_bits(v_top, v_new_3)
        if 8 * k + 4 < count:
            v_top = larger_bits(v_top, v_new_4)
        if 8 * k + 5 < count:
            v_top = larger_bits(v_top, v_new_5)
        if 8 * k + 6 < count:
            v_top = larger_bits(v_top, v_new_6)
        if 8 * k + 7 < count:
            v_top = larger_bits(v_top, v_new_7)
        v_top = int32(maximum_of(float64(v_top), 32, scratch))
        v_new_scale = sqrt(float_of(uint32(v_top)))
        if k % 32 == 0 and 8 * k < count:
            v_scale[block] = v_new_scale
        v_new_ = factor_to_uint8(v_new_scale)
        v_code_0 = to_uint8(v_new_0, v_new_)
        v_code_1 = to_uint8(v_new_1, v_new_)
        v_code_2 = to_uint8(v_new_2, v_new_)
        v_code_3 = to_uint8(v_new_3, v_new_)
        v_code_4 = to_uint8(v_new_4, v_new_)
        v_code_5 = to_uint8(v_new_5, v_new_)
        v_code_6 = to_uint8(v_new_6, v_new_)
        v_code_7 = to_uint8(v_new_7, v_new_)
        store8_within(
            v, k, count, v_code_0, v_code_1, v_code_2, v_code_3, v_code_4, v_code_5,
            v_code_6, v_code_7,
        )
        store8_within(
            p, k, count, p_new_0, p_new_1, p_new_2, p_new_3, p_new_4, p_new_5, p_new_6,
            p_new_7,
        )
