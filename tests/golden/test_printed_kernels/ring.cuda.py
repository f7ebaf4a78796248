"""The rule adashift over p, g, m, past_1, past_2, past_3, past_4, past_5, past_6, past_7, past_8, past_9, past_10, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    abs,
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    inf,
    int64,
    load4,
    maximum,
    maximum_of,
    model_scalars,
    narrowed,
    sqrt,
    store4,
    tensor_scalars,
    thread,
    threads,
)


@model_scalars
def adashift_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    t1 = beta1**10
    # newest_weight <- (1 - beta1)/(1 - beta1**10)
    newest_weight = (1.0 - beta1) / (1.0 - t1)
    c1 = t1 * newest_weight
    model[9] = newest_weight
    model[10] = c1


@element
def adashift_element_1(g_i, m_i, past_10_i, beta1, newest_weight, c1):
    """What pass 1 does to an element."""
    # m <- g*newest_weight - beta1**10*newest_weight*past_10 + beta1*m
    m_new = newest_weight * g_i + beta1 * m_i - c1 * past_10_i
    # past_10 <- g
    past_10_new = g_i
    return m_new, past_10_new, float64(abs(past_10_i))


@element_pass
def adashift_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g, m, past_10; writes m, past_10."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    past_10 = float32_array(arrays[3 + (int64(model[0]) - 10) % 10], start, count)
    beta1 = narrowed(model[6])
    newest_weight = narrowed(model[9])
    c1 = narrowed(model[10])  # beta1**10*newest_weight
    max_1 = -inf
    packs = count // 4 if aligned(g) & aligned(m) & aligned(past_10) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        past_10_0, past_10_1, past_10_2, past_10_3 = load4(past_10, k)
        m_new_0, past_10_new_0, max_1_0 = adashift_element_1(
            g_0, m_0, past_10_0, beta1, newest_weight, c1,
        )
        m_new_1, past_10_new_1, max_1_1 = adashift_element_1(
            g_1, m_1, past_10_1, beta1, newest_weight, c1,
        )
        m_new_2, past_10_new_2, max_1_2 = adashift_element_1(
            g_2, m_2, past_10_2, beta1, newest_weight, c1,
        )
        m_new_3, past_10_new_3, max_1_3 = adashift_element_1(
            g_3, m_3, past_10_3, beta1, newest_weight, c1,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(past_10, k, past_10_new_0, past_10_new_1, past_10_new_2, past_10_new_3)
        max_1 = maximum(max_1, max_1_0)
        max_1 = maximum(max_1, max_1_1)
        max_1 = maximum(max_1, max_1_2)
        max_1 = maximum(max_1, max_1_3)
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        m_i = m[i]
        past_10_i = past_10[i]
        m_new_i, past_10_new_i, max_1_i = adashift_element_1(
            g_i, m_i, past_10_i, beta1, newest_weight, c1,
        )
        m[i] = m_new_i
        past_10[i] = past_10_new_i
        max_1 = maximum(max_1, max_1_i)
    max_1 = maximum_of(max_1, threads(), scratch)
    if thread() == 0:
        sums[0] = max_1


@tensor_scalars
def adashift_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta2 = model[7]
    eps = model[8]
    v = tensor[2]
    max_1 = tensor[3]
    # v <- beta2*v + max_1**2*(1 - beta2)
    v_new = max_1**2 * (1.0 - beta2) + beta2 * v
    # rate <- where(step > 10, lr/(eps + sqrt(v_new/(1 - beta2**(step - 10)))), 0)
    rate = (lr / (eps + sqrt(v_new / (1.0 - beta2 ** (step - 10.0)))) if step > 10.0 else 0.0)
    tensor[4] = v_new
    tensor[5] = rate


@element
def adashift_element_2(p_i, m_new, rate):
    """What pass 2 does to an element."""
    # p <- -rate*m_new + p
    p_new = p_i - rate * m_new
    return p_new


@element_pass
def adashift_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, m; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    rate = narrowed(tensor[5])
    packs = count // 4 if aligned(p) & aligned(m) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        m_new_0, m_new_1, m_new_2, m_new_3 = load4(m, k)
        p_new_0 = adashift_element_2(p_0, m_new_0, rate)
        p_new_1 = adashift_element_2(p_1, m_new_1, rate)
        p_new_2 = adashift_element_2(p_2, m_new_2, rate)
        p_new_3 = adashift_element_2(p_3, m_new_3, rate)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        m_new_i = m[i]
        p_new_i = adashift_element_2(p_i, m_new_i, rate)
        p[i] = p_new_i


@tensor_scalars
def adashift_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    v_new = tensor[4]
    tensor[2] = v_new
