"""The rule adam over p, g, m, v, in bfloat16, bfloat16 m v, stochastic rounding, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    from_bfloat16,
    load8,
    model_scalars,
    narrowed,
    noise_at,
    noise_bits,
    rounding_key,
    sqrt,
    store8,
    thread,
    threads,
    to_bfloat16_by,
    uint16_array,
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
    stored_p, stored_g, stored_m, stored_v, i, beta1, beta2, eps, weight_decay,
    one_minus_beta1, one_minus_beta2, c1, c2, rounding,
):
    """What pass 1 does to an element."""
    p_i = from_bfloat16(stored_p)
    g_i = from_bfloat16(stored_g)
    m_i = from_bfloat16(stored_m)
    v_i = from_bfloat16(stored_v)
    t1 = g_i + weight_decay * p_i
    # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
    m_new = one_minus_beta1 * t1 + beta1 * m_i
    # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
    v_new = one_minus_beta2 * t1**2 + beta2 * v_i
    # p <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step)))) + p
    p_new = p_i - c2 * m_new / (eps + sqrt(c1 * v_new))
    noise = noise_at(rounding, i)
    new_m = to_bfloat16_by(m_new, noise_bits(noise, 65536))
    new_v = to_bfloat16_by(v_new, noise_bits(noise, 4293315681))
    new_p = to_bfloat16_by(p_new, noise_bits(noise, 1))
    return new_m, new_v, new_p


@element_pass
def adam_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v; writes m, v, p."""
    p = uint16_array(arrays[0], start, count)
    g = uint16_array(arrays[1], grad_start, count)
    m = uint16_array(arrays[2], start, count)
    v = uint16_array(arrays[3], start, count)
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    eps = narrowed(model[8])
    weight_decay = narrowed(model[9])
    one_minus_beta1 = narrowed(model[10])  # 1 - beta1
    one_minus_beta2 = narrowed(model[11])  # 1 - beta2
    c1 = narrowed(model[12])  # 1/(1 - beta2**step)
    c2 = narrowed(model[13])  # lr/(1 - beta1**step)
    rounding = rounding_key(model, tensor)
    packs = count // 8 if aligned(p) & aligned(g) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3, p_4, p_5, p_6, p_7 = load8(p, k)
        g_0, g_1, g_2, g_3, g_4, g_5, g_6, g_7 = load8(g, k)
        m_0, m_1, m_2, m_3, m_4, m_5, m_6, m_7 = load8(m, k)
        v_0, v_1, v_2, v_3, v_4, v_5, v_6, v_7 = load8(v, k)
        new_m_0, new_v_0, new_p_0 = adam_element_1(
            p_0, g_0, m_0, v_0, start + 8 * k, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_1, new_v_1, new_p_1 = adam_element_1(
            p_1, g_1, m_1, v_1, start + 8 * k + 1, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_2, new_v_2, new_p_2 = adam_element_1(
            p_2, g_2, m_2, v_2, start + 8 * k + 2, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_3, new_v_3, new_p_3 = adam_element_1(
            p_3, g_3, m_3, v_3, start + 8 * k + 3, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_4, new_v_4, new_p_4 = adam_element_1(
            p_4, g_4, m_4, v_4, start + 8 * k + 4, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_5, new_v_5, new_p_5 = adam_element_1(
            p_5, g_5, m_5, v_5, start + 8 * k + 5, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_6, new_v_6, new_p_6 = adam_element_1(
            p_6, g_6, m_6, v_6, start + 8 * k + 6, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        new_m_7, new_v_7, new_p_7 = adam_element_1(
            p_7, g_7, m_7, v_7, start + 8 * k + 7, beta1, beta2, eps, weight_decay,
            one_minus_beta1, one_minus_beta2, c1, c2, rounding,
        )
        store8(m, k, new_m_0, new_m_1, new_m_2, new_m_3, new_m_4, new_m_5, new_m_6, new_m_7)
        store8(v, k, new_v_0, new_v_1, new_v_2, new_v_3, new_v_4, new_v_5, new_v_6, new_v_7)
        store8(p, k, new_p_0, new_p_1, new_p_2, new_p_3, new_p_4, new_p_5, new_p_6, new_p_7)
    for i in range(8 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        new_m_i, new_v_i, new_p_i = adam_element_1(
            p_i, g_i, m_i, v_i, start + i, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2, rounding,
        )
        m[i] = new_m_i
        v[i] = new_v_i
        p[i] = new_p_i
