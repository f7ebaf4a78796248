"""The rule clipped_ema over p, g, m, v, average, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
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


@element
def clipped_ema_element_1(g_i):
    """What pass 1 does to an element."""
    return float64(g_i)**2


@element_pass
def clipped_ema_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    packs = count // 4 if aligned(g) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        sum_1_0 = clipped_ema_element_1(g_0)
        sum_1_1 = clipped_ema_element_1(g_1)
        sum_1_2 = clipped_ema_element_1(g_2)
        sum_1_3 = clipped_ema_element_1(g_3)
        sum_1 = sum_1 + sum_1_0
        sum_1 = sum_1 + sum_1_1
        sum_1 = sum_1 + sum_1_2
        sum_1 = sum_1 + sum_1_3
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        sum_1_i = clipped_ema_element_1(g_i)
        sum_1 = sum_1 + sum_1_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1


@model_scalars
def clipped_ema_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    max_norm = model[5]
    beta1 = model[7]
    beta2 = model[8]
    decay = model[11]
    sum_1 = model[12]
    t1 = maximum(max_norm, 0.0)
    c1 = (1.0 if sqrt(sum_1) <= t1 else t1 / sqrt(sum_1))
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta2 ** step)
    c3 = 1.0 / (1.0 - beta1 ** step)
    one_minus_decay = 1.0 - decay
    model[13] = c1
    model[14] = one_minus_beta1
    model[15] = one_minus_beta2
    model[16] = c2
    model[17] = c3
    model[18] = one_minus_decay


@element
def clipped_ema_element_2(
    p_i, g_i, m_i, v_i, average_i, lr, beta1, beta2, eps, weight_decay, decay, c1,
    one_minus_beta1, one_minus_beta2, c2, c3, one_minus_decay,
):
    """What pass 2 does to an element."""
    # g_clip_by_global_norm <- g*where(sqrt(sum_1) <= Max(max_norm, 0), 1, Max(max_norm, 0)/sqrt(sum_1))
    g_clip_by_global_norm = c1 * g_i
    # m <- g_clip_by_global_norm*(1 - beta1) + beta1*m
    m_new = one_minus_beta1 * g_clip_by_global_norm + beta1 * m_i
    # v <- g_clip_by_global_norm**2*(1 - beta2) + beta2*v
    v_new = one_minus_beta2 * g_clip_by_global_norm**2 + beta2 * v_i
    # p <- -lr*(weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))) + p
    p_new = p_i - lr * (weight_decay * p_i + c3 * m_new / (eps + sqrt(c2 * v_new)))
    # average <- decay*average + p_new*(1 - decay)
    average_new = one_minus_decay * p_new + decay * average_i
    return m_new, v_new, p_new, average_new


@element_pass
def clipped_ema_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v, average; writes m, v, p, average."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    average = float32_array(arrays[4], start, count)
    lr = narrowed(model[6])
    beta1 = narrowed(model[7])
    beta2 = narrowed(model[8])
    eps = narrowed(model[9])
    weight_decay = narrowed(model[10])
    decay = narrowed(model[11])
    c1 = narrowed(model[13])  # where(sqrt(sum_1) <= Max(max_norm, 0), 1, Max(max_norm, 0)/sqrt(sum_1))
    one_minus_beta1 = narrowed(model[14])  # 1 - beta1
    one_minus_beta2 = narrowed(model[15])  # 1 - beta2
    c2 = narrowed(model[16])  # 1/(1 - beta2**step)
    c3 = narrowed(model[17])  # 1/(1 - beta1**step)
    one_minus_decay = narrowed(model[18])  # 1 - decay
    packs = count // 4 if aligned(p) & aligned(g) & aligned(m) & aligned(v) & aligned(average) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        v_0, v_1, v_2, v_3 = load4(v, k)
        average_0, average_1, average_2, average_3 = load4(average, k)
        m_new_0, v_new_0, p_new_0, average_new_0 = clipped_ema_element_2(
            p_0, g_0, m_0, v_0, average_0, lr, beta1, beta2, eps, weight_decay, decay, c1,
            one_minus_beta1, one_minus_beta2, c2, c3, one_minus_decay,
        )
        m_new_1, v_new_1, p_new_1, average_new_1 = clipped_ema_element_2(
            p_1, g_1, m_1, v_1, average_1, lr, beta1, beta2, eps, weight_decay, decay, c1,
            one_minus_beta1, one_minus_beta2, c2, c3, one_minus_decay,
        )
        m_new_2, v_new_2, p_new_2, average_new_2 = clipped_ema_element_2(
            p_2, g_2, m_2, v_2, average_2, lr, beta1, beta2, eps, weight_decay, decay, c1,
            one_minus_beta1, one_minus_beta2, c2, c3, one_minus_decay,
        )
        m_new_3, v_new_3, p_new_3, average_new_3 = clipped_ema_element_2(
            p_3, g_3, m_3, v_3, average_3, lr, beta1, beta2, eps, weight_decay, decay, c1,
            one_minus_beta1, one_minus_beta2, c2, c3, one_minus_decay,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(v, k, v_new_0, v_new_1, v_new_2, v_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
        store4(average, k, average_new_0, average_new_1, average_new_2, average_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        average_i = average[i]
        m_new_i, v_new_i, p_new_i, average_new_i = clipped_ema_element_2(
            p_i, g_i, m_i, v_i, average_i, lr, beta1, beta2, eps, weight_decay, decay, c1,
            one_minus_beta1, one_minus_beta2, c2, c3, one_minus_decay,
        )
        m[i] = m_new_i
        v[i] = v_new_i
        p[i] = p_new_i
        average[i] = average_new_i
