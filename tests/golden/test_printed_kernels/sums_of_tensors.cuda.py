"""The rule lamb over p, g, m, v, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    load4,
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
def lamb_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = 1.0 / (1.0 - beta1 ** step)
    model[10] = one_minus_beta1
    model[11] = one_minus_beta2
    model[12] = c1
    model[13] = c2


@element
def lamb_element_1(
    p_i, g_i, m_i, v_i, beta1, beta2, eps, weight_decay, one_minus_beta1,
    one_minus_beta2, c1, c2,
):
    """What pass 1 does to an element."""
    # m <- g*(1 - beta1) + beta1*m
    m_new = one_minus_beta1 * g_i + beta1 * m_i
    # v <- g**2*(1 - beta2) + beta2*v
    v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
    # u <- weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
    u = weight_decay * p_i + c2 * m_new / (eps + sqrt(c1 * v_new))
    return m_new, v_new, float64(p_i)**2, float64(u)**2


@element_pass
def lamb_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m, v; writes m, v."""
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
    c2 = narrowed(model[13])  # 1/(1 - beta1**step)
    sum_1 = 0.0
    sum_2 = 0.0
    packs = count // 4 if aligned(p) & aligned(g) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        v_0, v_1, v_2, v_3 = load4(v, k)
        m_new_0, v_new_0, sum_1_0, sum_2_0 = lamb_element_1(
            p_0, g_0, m_0, v_0, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m_new_1, v_new_1, sum_1_1, sum_2_1 = lamb_element_1(
            p_1, g_1, m_1, v_1, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m_new_2, v_new_2, sum_1_2, sum_2_2 = lamb_element_1(
            p_2, g_2, m_2, v_2, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m_new_3, v_new_3, sum_1_3, sum_2_3 = lamb_element_1(
            p_3, g_3, m_3, v_3, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(v, k, v_new_0, v_new_1, v_new_2, v_new_3)
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
        m_i = m[i]
        v_i = v[i]
        m_new_i, v_new_i, sum_1_i, sum_2_i = lamb_element_1(
            p_i, g_i, m_i, v_i, beta1, beta2, eps, weight_decay, one_minus_beta1,
            one_minus_beta2, c1, c2,
        )
        m[i] = m_new_i
        v[i] = v_new_i
        sum_1 = sum_1 + sum_1_i
        sum_2 = sum_2 + sum_2_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1
    sum_2 = sum_of(sum_2, threads(), scratch)
    if thread() == 0:
        sums[1] = sum_2


@tensor_scalars
def lamb_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    sum_1 = tensor[2]
    sum_2 = tensor[3]
    t1 = sqrt(sum_1)
    # trust <- where((sqrt(sum_1) == 0) | (sqrt(sum_2) == 0), 1, sqrt(sum_1)/sqrt(sum_2))
    trust = (1.0 if (t1 == 0.0) or (sqrt(sum_2) == 0.0) else t1 / sqrt(sum_2))
    c3 = lr * trust
    tensor[4] = c3


@element
def lamb_element_2(p_i, m_new, v_new, eps, weight_decay, c1, c2, c3):
    """What pass 2 does to an element."""
    # u <- weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
    u = weight_decay * p_i + c2 * m_new / (eps + sqrt(c1 * v_new))
    # p <- -lr*trust*u + p
    p_new = p_i - c3 * u
    return p_new


@element_pass
def lamb_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    eps = narrowed(model[8])
    weight_decay = narrowed(model[9])
    c1 = narrowed(model[12])  # 1/(1 - beta2**step)
    c2 = narrowed(model[13])  # 1/(1 - beta1**step)
    c3 = narrowed(tensor[4])  # lr*trust
    packs = count // 4 if aligned(p) & aligned(m) & aligned(v) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        m_new_0, m_new_1, m_new_2, m_new_3 = load4(m, k)
        v_new_0, v_new_1, v_new_2, v_new_3 = load4(v, k)
        p_new_0 = lamb_element_2(p_0, m_new_0, v_new_0, eps, weight_decay, c1, c2, c3)
        p_new_1 = lamb_element_2(p_1, m_new_1, v_new_1, eps, weight_decay, c1, c2, c3)
        p_new_2 = lamb_element_2(p_2, m_new_2, v_new_2, eps, weight_decay, c1, c2, c3)
        p_new_3 = lamb_element_2(p_3, m_new_3, v_new_3, eps, weight_decay, c1, c2, c3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        m_new_i = m[i]
        v_new_i = v[i]
        p_new_i = lamb_element_2(p_i, m_new_i, v_new_i, eps, weight_decay, c1, c2, c3)
        p[i] = p_new_i
