"""The rule came over p, g, m, v, in float32, for CUDA.

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
    tensor_scalars,
    thread,
    threads,
)


@model_scalars
def came_scalars_1(model):
    """Scalars of the model, in float64."""
    beta2 = model[7]
    one_minus_beta2 = 1.0 - beta2
    model[13] = one_minus_beta2


@element
def came_element_1(g_i, v_i, beta2, eps1, one_minus_beta2):
    """What pass 1 does to an element."""
    # v <- beta2*v + (1 - beta2)*(g**2 + eps1)
    v_new = one_minus_beta2 * (eps1 + g_i**2) + beta2 * v_i
    # u <- g/sqrt(v_new)
    u = g_i / sqrt(v_new)
    return v_new, float64(u)**2


@element_pass
def came_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g, v; writes v."""
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[3], start, count)
    beta2 = narrowed(model[7])
    eps1 = narrowed(model[9])
    one_minus_beta2 = narrowed(model[13])  # 1 - beta2
    sum_1 = 0.0
    packs = count // 4 if aligned(g) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        v_0, v_1, v_2, v_3 = load4(v, k)
        v_new_0, sum_1_0 = came_element_1(g_0, v_0, beta2, eps1, one_minus_beta2)
        v_new_1, sum_1_1 = came_element_1(g_1, v_1, beta2, eps1, one_minus_beta2)
        v_new_2, sum_1_2 = came_element_1(g_2, v_2, beta2, eps1, one_minus_beta2)
        v_new_3, sum_1_3 = came_element_1(g_3, v_3, beta2, eps1, one_minus_beta2)
        store4(v, k, v_new_0, v_new_1, v_new_2, v_new_3)
        sum_1 = sum_1 + sum_1_0
        sum_1 = sum_1 + sum_1_1
        sum_1 = sum_1 + sum_1_2
        sum_1 = sum_1 + sum_1_3
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        v_i = v[i]
        v_new_i, sum_1_i = came_element_1(g_i, v_i, beta2, eps1, one_minus_beta2)
        v[i] = v_new_i
        sum_1 = sum_1 + sum_1_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1


@model_scalars
def came_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta1 = model[6]
    weight_decay = model[12]
    one_minus_beta1 = 1.0 - beta1
    c2 = 1.0 - lr * weight_decay
    model[14] = one_minus_beta1
    model[15] = c2


@tensor_scalars
def came_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    clip_threshold = model[11]
    size = tensor[0]
    sum_1 = tensor[3]
    c1 = 1.0 / maximum(1.0, sqrt(sum_1) / clip_threshold / sqrt(size))
    tensor[4] = c1


@element
def came_element_2(p_i, g_i, m_i, v_new, lr, beta1, one_minus_beta1, c2, c1):
    """What pass 2 does to an element."""
    # u <- g/sqrt(v_new)
    u = g_i / sqrt(v_new)
    # clipped <- u/Max(1, sqrt(sum_1)/(clip_threshold*sqrt(size)))
    clipped = c1 * u
    # m <- beta1*m + clipped*(1 - beta1)
    m_new = one_minus_beta1 * clipped + beta1 * m_i
    # p <- -lr*m_new + p*(-lr*weight_decay + 1)
    p_new = c2 * p_i - lr * m_new
    return m_new, p_new


@element_pass
def came_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v; writes m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = narrowed(model[5])
    beta1 = narrowed(model[6])
    one_minus_beta1 = narrowed(model[14])  # 1 - beta1
    c2 = narrowed(model[15])  # -lr*weight_decay + 1
    c1 = narrowed(tensor[4])  # 1/Max(1, sqrt(sum_1)/(clip_threshold*sqrt(size)))
    packs = count // 4 if aligned(p) & aligned(g) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        v_new_0, v_new_1, v_new_2, v_new_3 = load4(v, k)
        m_new_0, p_new_0 = came_element_2(
            p_0, g_0, m_0, v_new_0, lr, beta1, one_minus_beta1, c2, c1,
        )
        m_new_1, p_new_1 = came_element_2(
            p_1, g_1, m_1, v_new_1, lr, beta1, one_minus_beta1, c2, c1,
        )
        m_new_2, p_new_2 = came_element_2(
            p_2, g_2, m_2, v_new_2, lr, beta1, one_minus_beta1, c2, c1,
        )
        m_new_3, p_new_3 = came_element_2(
            p_3, g_3, m_3, v_new_3, lr, beta1, one_minus_beta1, c2, c1,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_new_i = v[i]
        m_new_i, p_new_i = came_element_2(
            p_i, g_i, m_i, v_new_i, lr, beta1, one_minus_beta1, c2, c1,
        )
        m[i] = m_new_i
        p[i] = p_new_i
