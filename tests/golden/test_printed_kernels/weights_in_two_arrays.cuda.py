"""The rule lion over p, g, m, in bfloat16, master split16, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    from_bfloat16,
    from_split16,
    int16_array,
    load8,
    model_scalars,
    narrowed,
    sign,
    split16_rest,
    split16_upper,
    store8,
    thread,
    threads,
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


@element
def lion_element_1(
    stored_p, stored_p_rest, stored_g, m_i, lr, beta1, beta2, weight_decay,
    one_minus_beta1, one_minus_beta2,
):
    """What pass 1 does to an element."""
    p_i = from_split16(stored_p, stored_p_rest)
    g_i = from_bfloat16(stored_g)
    # p <- -lr*(weight_decay*p + sign(g*(1 - beta1) + beta1*m)) + p
    p_new = p_i - lr * (weight_decay * p_i + sign(one_minus_beta1 * g_i + beta1 * m_i))
    # m <- g*(1 - beta2) + beta2*m
    m_new = one_minus_beta2 * g_i + beta2 * m_i
    new_p = split16_upper(p_new)
    new_p_rest = split16_rest(p_new)
    return new_p, new_p_rest, m_new


@element_pass
def lion_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m; writes p, m."""
    p = uint16_array(arrays[0], start, count)
    p_rest = int16_array(arrays[3], start, count)
    g = uint16_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    lr = narrowed(model[5])
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    weight_decay = narrowed(model[8])
    one_minus_beta1 = narrowed(model[9])  # 1 - beta1
    one_minus_beta2 = narrowed(model[10])  # 1 - beta2
    packs = count // 8 if aligned(p) & aligned(p_rest) & aligned(g) & aligned(m) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3, p_4, p_5, p_6, p_7 = load8(p, k)
        (
            p_rest_0, p_rest_1, p_rest_2, p_rest_3, p_rest_4, p_rest_5, p_rest_6, p_rest_7,
        ) = load8(p_rest, k)
        g_0, g_1, g_2, g_3, g_4, g_5, g_6, g_7 = load8(g, k)
        m_0, m_1, m_2, m_3, m_4, m_5, m_6, m_7 = load8(m, k)
        new_p_0, new_p_rest_0, m_new_0 = lion_element_1(
            p_0, p_rest_0, g_0, m_0, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_1, new_p_rest_1, m_new_1 = lion_element_1(
            p_1, p_rest_1, g_1, m_1, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_2, new_p_rest_2, m_new_2 = lion_element_1(
            p_2, p_rest_2, g_2, m_2, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_3, new_p_rest_3, m_new_3 = lion_element_1(
            p_3, p_rest_3, g_3, m_3, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_4, new_p_rest_4, m_new_4 = lion_element_1(
            p_4, p_rest_4, g_4, m_4, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_5, new_p_rest_5, m_new_5 = lion_element_1(
            p_5, p_rest_5, g_5, m_5, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_6, new_p_rest_6, m_new_6 = lion_element_1(
            p_6, p_rest_6, g_6, m_6, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        new_p_7, new_p_rest_7, m_new_7 = lion_element_1(
            p_7, p_rest_7, g_7, m_7, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        store8(p, k, new_p_0, new_p_1, new_p_2, new_p_3, new_p_4, new_p_5, new_p_6, new_p_7)
        store8(
            p_rest, k, new_p_rest_0, new_p_rest_1, new_p_rest_2, new_p_rest_3, new_p_rest_4,
            new_p_rest_5, new_p_rest_6, new_p_rest_7,
        )
        store8(m, k, m_new_0, m_new_1, m_new_2, m_new_3, m_new_4, m_new_5, m_new_6, m_new_7)
    for i in range(8 * packs + thread(), count, threads()):
        p_i = p[i]
        p_rest_i = p_rest[i]
        g_i = g[i]
        m_i = m[i]
        new_p_i, new_p_rest_i, m_new_i = lion_element_1(
            p_i, p_rest_i, g_i, m_i, lr, beta1, beta2, weight_decay, one_minus_beta1,
            one_minus_beta2,
        )
        p[i] = new_p_i
        p_rest[i] = new_p_rest_i
        m[i] = m_new_i
