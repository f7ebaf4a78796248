"""The rule accumulate_adam over p, g, accumulated, m, v, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32,
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
def accumulate_adam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    accumulate_updates = model[10]
    t1 = (1.0 if step % 4.0 == 0.0 else 0.0)
    # accumulate_acts <- where(Mod(step, 4) == 0, 1, 0)
    accumulate_acts = t1
    # accumulate_step <- accumulate_updates + 1
    accumulate_step = accumulate_updates + 1.0
    # accumulate_updates <- accumulate_acts + accumulate_updates
    accumulate_updates_new = accumulate_acts + accumulate_updates
    c1 = t1
    c2 = (1.0 if accumulate_acts > 0.0 else 0.0)
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c3 = 1.0 / (1.0 - beta2 ** accumulate_step)
    c4 = lr / (1.0 - beta1 ** accumulate_step)
    model[11] = accumulate_updates_new
    model[12] = c1
    model[13] = c2
    model[14] = one_minus_beta1
    model[15] = one_minus_beta2
    model[16] = c3
    model[17] = c4


@element
def accumulate_adam_element_1(
    p_i, g_i, accumulated_i, m_i, v_i, beta1, beta2, eps, weight_decay, c1, c2,
    one_minus_beta1, one_minus_beta2, c3, c4,
):
    """What pass 1 does to an element."""
    # accumulated <- where(Mod(step, 4) == 0, 0, g + accumulated)
    accumulated_new = (float32(0.0) if c1 > float32(0.0) else g_i + accumulated_i)
    # g_accumulate <- g/4 + accumulated/4
    g_accumulate = float32(0.25) * g_i + float32(0.25) * accumulated_i
    t2 = g_accumulate + weight_decay * p_i
    # m <- where(accumulate_acts > 0, beta1*m + (1 - beta1)*(g_accumulate + weight_decay*p), m)
    m_new = (one_minus_beta1 * t2 + beta1 * m_i if c2 > float32(0.0) else m_i)
    # v <- where(accumulate_acts > 0, beta2*v + (1 - beta2)*(g_accumulate + weight_decay*p)**2, v)
    v_new = (one_minus_beta2 * t2**2 + beta2 * v_i if c2 > float32(0.0) else v_i)
    # p <- where(accumulate_acts > 0, -lr*m_new/(...*...) + p, p)
    p_new = (p_i - c4 * m_new / (eps + sqrt(c3 * v_new)) if c2 > float32(0.0) else p_i)
    return accumulated_new, m_new, v_new, p_new


@element_pass
def accumulate_adam_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, accumulated, m, v; writes accumulated, m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    accumulated = float32_array(arrays[2], start, count)
    m = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    eps = narrowed(model[8])
    weight_decay = narrowed(model[9])
    c1 = narrowed(model[12])  # where(Mod(step, 4) == 0, 1, 0)
    c2 = narrowed(model[13])  # where(accumulate_acts > 0, 1, 0)
    one_minus_beta1 = narrowed(model[14])  # 1 - beta1
    one_minus_beta2 = narrowed(model[15])  # 1 - beta2
    c3 = narrowed(model[16])  # 1/(1 - beta2**accumulate_step)
    c4 = narrowed(model[17])  # lr/(1 - beta1**accumulate_step)
    packs = count // 4 if aligned(p) & aligned(g) & aligned(accumulated) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        accumulated_0, accumulated_1, accumulated_2, accumulated_3 = load4(accumulated, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        v_0, v_1, v_2, v_3 = load4(v, k)
        accumulated_new_0, m_new_0, v_new_0, p_new_0 = accumulate_adam_element_1(
            p_0, g_0, accumulated_0, m_0, v_0, beta1, beta2, eps, weight_decay, c1, c2,
            one_minus_beta1, one_minus_beta2, c3, c4,
        )
        accumulated_new_1, m_new_1, v_new_1, p_new_1 = accumulate_adam_element_1(
            p_1, g_1, accumulated_1, m_1, v_1, beta1, beta2, eps, weight_decay, c1, c2,
            one_minus_beta1, one_minus_beta2, c3, c4,
        )
        accumulated_new_2, m_new_2, v_new_2, p_new_2 = accumulate_adam_element_1(
            p_2, g_2, accumulated_2, m_2, v_2, beta1, beta2, eps, weight_decay, c1, c2,
            one_minus_beta1, one_minus_beta2, c3, c4,
        )
        accumulated_new_3, m_new_3, v_new_3, p_new_3 = accumulate_adam_element_1(
            p_3, g_3, accumulated_3, m_3, v_3, beta1, beta2, eps, weight_decay, c1, c2,
            one_minus_beta1, one_minus_beta2, c3, c4,
        )
        store4(accumulated, k, accumulated_new_0, accumulated_new_1, accumulated_new_2, accumulated_new_3)
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(v, k, v_new_0, v_new_1, v_new_2, v_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        accumulated_i = accumulated[i]
        m_i = m[i]
        v_i = v[i]
        accumulated_new_i, m_new_i, v_new_i, p_new_i = accumulate_adam_element_1(
            p_i, g_i, accumulated_i, m_i, v_i, beta1, beta2, eps, weight_decay, c1, c2,
            one_minus_beta1, one_minus_beta2, c3, c4,
        )
        accumulated[i] = accumulated_new_i
        m[i] = m_new_i
        v[i] = v_new_i
        p[i] = p_new_i


@model_scalars
def accumulate_adam_scalars_2(model):
    """Scalars of the model, in float64."""
    accumulate_updates_new = model[11]
    model[10] = accumulate_updates_new
