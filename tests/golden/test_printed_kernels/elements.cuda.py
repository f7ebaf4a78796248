"""The rule adam over p, g, m, v, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    load4,
    model_scalars,
    narrowed,
    sqrt,
    store4,
    thread,
    threads,
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
    p_i, g_i, m_i, v_i, beta1, beta2, eps, weight_decay, one_minus_beta1,
    one_minus_beta2, c1, c2,
):
    """What pass 1 does to an element."""
    t1 = g_i + weight_decay * p_i
    # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
    m_new = one_minus_beta1 * t1 + beta1 * m_i
    # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
    v_new = one_minus_beta2 * t1**2 + beta2 * v_i
    # p <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step)))) + p
    p_new = p_i - c2 * m_new / (eps + sqrt(c1 * v_new))
    return m_new, v_new, p_new


@element_pass
def adam_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    eps = narrowed(model[8])
    weight_decay = narrowed(model[9])
    one_minus_beta1 = narrowed(model[10])  # 1 - beta1
    one_minus_beta2 = narrowed(model[11])  # 1 - beta2
    c1 = narrowed(model[12])  # 1/(1 - beta2**step)
    c2 = narrowed(model[13])  # lr/(1 - beta1**step)
    packs = count // 4 if aligned(p) & aligned(g) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        v_0, v_1, v_2, v_3 = load4(v, k)
        m_new_0, v_new_0, p_new_0 = adam_element_1(
            p_0, g_0, m_0, v_0, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m_new_1, v_new_1, p_new_1 = adam_element_1(
            p_1, g_1, m_1, v_1, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m_new_2, v_new_2, p_new_2 = adam_element_1(
            p_2, g_2, m_2, v_2, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m_new_3, v_new_3, p_new_3 = adam_element_1(
            p_3, g_3, m_3, v_3, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(v, k, v_new_0, v_new_1, v_new_2, v_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        m_new_i, v_new_i, p_new_i = adam_element_1(
            p_i, g_i, m_i, v_i, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m[i] = m_new_i
        v[i] = v_new_i
        p[i] = p_new_i
