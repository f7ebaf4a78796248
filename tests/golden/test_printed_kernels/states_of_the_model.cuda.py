"""The rule prodigy over p, g, m, v, s, p0, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    abs,
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    load4,
    maximum,
    model_scalars,
    narrowed,
    sqrt,
    store4,
    sum_of,
    thread,
    threads,
)


@model_scalars
def prodigy_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    d0 = model[10]
    d = model[12]
    # a <- lr*d*sqrt(1 - beta2**step)/(1 - beta1**step)
    a = lr * d * sqrt(1.0 - beta2 ** step) / (1.0 - beta1 ** step)
    c1 = sqrt(beta2)
    c2 = a * d / d0
    model[16] = a
    model[17] = c1
    model[18] = c2


@element
def prodigy_element_1(p_i, g_i, s_i, p0_i, c1, c2):
    """What pass 1 does to an element."""
    # s <- g*a*d/d0 + sqrt(beta2)*s
    s_new = c1 * s_i + c2 * g_i
    return s_new, float64(g_i) * float64(p0_i - p_i), float64(abs(s_new))


@element_pass
def prodigy_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, s, p0; writes s."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[4], start, count)
    p0 = float32_array(arrays[5], start, count)
    c1 = narrowed(model[17])  # sqrt(beta2)
    c2 = narrowed(model[18])  # a*d/d0
    sum_1 = 0.0
    sum_2 = 0.0
    packs = count // 4 if aligned(p) & aligned(g) & aligned(s) & aligned(p0) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        s_0, s_1, s_2, s_3 = load4(s, k)
        p0_0, p0_1, p0_2, p0_3 = load4(p0, k)
        s_new_0, sum_1_0, sum_2_0 = prodigy_element_1(p_0, g_0, s_0, p0_0, c1, c2)
        s_new_1, sum_1_1, sum_2_1 = prodigy_element_1(p_1, g_1, s_1, p0_1, c1, c2)
        s_new_2, sum_1_2, sum_2_2 = prodigy_element_1(p_2, g_2, s_2, p0_2, c1, c2)
        s_new_3, sum_1_3, sum_2_3 = prodigy_element_1(p_3, g_3, s_3, p0_3, c1, c2)
        store4(s, k, s_new_0, s_new_1, s_new_2, s_new_3)
        sum_1 = sum_1 + sum_1_0
        sum_1 = sum_1 + sum_1_1
        sum_1 = sum_1 + sum_1_2
        sum_1 = sum_1 + sum_1_3
        sum_2 = sum_2 + sum_2_0
        sum_2 = sum_2 + sum_2_1
        sum_2 = sum_2 + sum_2_2
        sum_2 = sum_2 + sum_2_3
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        s_i = s[i]
        p0_i = p0[i]
        s_new_i, sum_1_i, sum_2_i = prodigy_element_1(p_i, g_i, s_i, p0_i, c1, c2)
        s[i] = s_new_i
        sum_1 = sum_1 + sum_1_i
        sum_2 = sum_2 + sum_2_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1
    sum_2 = sum_of(sum_2, threads(), scratch)
    if thread() == 0:
        sums[1] = sum_2


@model_scalars
def prodigy_scalars_2(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    beta2 = model[7]
    eps = model[8]
    d0 = model[10]
    d_coef = model[11]
    d = model[12]
    r = model[13]
    sum_1 = model[14]
    sum_2 = model[15]
    a = model[16]
    # r <- sqrt(beta2)*r + a*d*sum_1/d0
    r_new = r * sqrt(beta2) + a * d * sum_1 / d0
    # d_hat <- d_coef*r_new/sum_2
    d_hat = d_coef * r_new / sum_2
    # d <- where(sum_2 == 0, d, Max(d, d_hat))
    d_new = (d if sum_2 == 0.0 else maximum(d, d_hat))
    c3 = d * (1.0 - beta1)
    one_minus_beta2 = 1.0 - beta2
    c4 = eps * d_new
    model[19] = r_new
    model[20] = d_new
    model[21] = c3
    model[22] = one_minus_beta2
    model[23] = c4


@element
def prodigy_element_2(
    p_i, g_i, m_i, v_i, beta1, beta2, weight_decay, d, a, c3, one_minus_beta2, c4,
):
    """What pass 2 does to an element."""
    # m <- g*d*(1 - beta1) + beta1*m
    m_new = beta1 * m_i + c3 * g_i
    # v <- beta2*v + (g*d)**2*(1 - beta2)
    v_new = one_minus_beta2 * (d * g_i)**2 + beta2 * v_i
    # p <- -a*(weight_decay*p + m_new/(eps*d_new + sqrt(v_new))) + p
    p_new = p_i - a * (m_new / (c4 + sqrt(v_new)) + weight_decay * p_i)
    return m_new, v_new, p_new


@element_pass
def prodigy_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    weight_decay = narrowed(model[9])
    d = narrowed(model[12])
    a = narrowed(model[16])
    c3 = narrowed(model[21])  # d*(1 - beta1)
    one_minus_beta2 = narrowed(model[22])  # 1 - beta2
    c4 = narrowed(model[23])  # eps*d_new
    packs = count // 4 if aligned(p) & aligned(g) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        v_0, v_1, v_2, v_3 = load4(v, k)
        m_new_0, v_new_0, p_new_0 = prodigy_element_2(
            p_0, g_0, m_0, v_0, beta1, beta2, weight_decay, d, a, c3, one_minus_beta2, c4,
        )
        m_new_1, v_new_1, p_new_1 = prodigy_element_2(
            p_1, g_1, m_1, v_1, beta1, beta2, weight_decay, d, a, c3, one_minus_beta2, c4,
        )
        m_new_2, v_new_2, p_new_2 = prodigy_element_2(
            p_2, g_2, m_2, v_2, beta1, beta2, weight_decay, d, a, c3, one_minus_beta2, c4,
        )
        m_new_3, v_new_3, p_new_3 = prodigy_element_2(
            p_3, g_3, m_3, v_3, beta1, beta2, weight_decay, d, a, c3, one_minus_beta2, c4,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(v, k, v_new_0, v_new_1, v_new_2, v_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        m_new_i, v_new_i, p_new_i = prodigy_element_2(
            p_i, g_i, m_i, v_i, beta1, beta2, weight_decay, d, a, c3, one_minus_beta2, c4,
        )
        m[i] = m_new_i
        v[i] = v_new_i
        p[i] = p_new_i


@model_scalars
def prodigy_scalars_3(model):
    """Scalars of the model, in float64."""
    r_new = model[19]
    d_new = model[20]
    model[13] = r_new
    model[12] = d_new
