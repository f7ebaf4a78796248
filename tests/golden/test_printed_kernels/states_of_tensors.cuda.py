"""The rule novograd over p, g, m, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    load4,
    narrowed,
    sqrt,
    store4,
    sum_of,
    tensor_scalars,
    thread,
    threads,
)


@element
def novograd_element_1(g_i):
    """What pass 1 does to an element."""
    return float64(g_i)**2


@element_pass
def novograd_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    packs = count // 4 if aligned(g) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        sum_1_0 = novograd_element_1(g_0)
        sum_1_1 = novograd_element_1(g_1)
        sum_1_2 = novograd_element_1(g_2)
        sum_1_3 = novograd_element_1(g_3)
        sum_1 = sum_1 + sum_1_0
        sum_1 = sum_1 + sum_1_1
        sum_1 = sum_1 + sum_1_2
        sum_1 = sum_1 + sum_1_3
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        sum_1_i = novograd_element_1(g_i)
        sum_1 = sum_1 + sum_1_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1


@tensor_scalars
def novograd_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta2 = model[7]
    eps = model[8]
    v = tensor[2]
    sum_1 = tensor[3]
    # v_old <- where(step == 1, sum_1, v)
    v_old = (sum_1 if step == 1.0 else v)
    # v <- beta2*v_old + sum_1*(1 - beta2)
    v_new = sum_1 * (1.0 - beta2) + beta2 * v_old
    # scale <- 1/(eps + sqrt(v_new))
    scale = 1.0 / (eps + sqrt(v_new))
    tensor[4] = v_new
    tensor[5] = scale


@element
def novograd_element_2(p_i, g_i, m_i, lr, beta1, weight_decay, scale):
    """What pass 2 does to an element."""
    # m <- g*scale + beta1*m + weight_decay*p
    m_new = scale * g_i + beta1 * m_i + weight_decay * p_i
    # p <- -lr*m_new + p
    p_new = p_i - lr * m_new
    return m_new, p_new


@element_pass
def novograd_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m; writes m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    lr = narrowed(model[5])
    beta1 = narrowed(model[6])
    weight_decay = narrowed(model[9])
    scale = narrowed(tensor[5])
    packs = count // 4 if aligned(p) & aligned(g) & aligned(m) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        m_new_0, p_new_0 = novograd_element_2(p_0, g_0, m_0, lr, beta1, weight_decay, scale)
        m_new_1, p_new_1 = novograd_element_2(p_1, g_1, m_1, lr, beta1, weight_decay, scale)
        m_new_2, p_new_2 = novograd_element_2(p_2, g_2, m_2, lr, beta1, weight_decay, scale)
        m_new_3, p_new_3 = novograd_element_2(p_3, g_3, m_3, lr, beta1, weight_decay, scale)
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        m_new_i, p_new_i = novograd_element_2(p_i, g_i, m_i, lr, beta1, weight_decay, scale)
        m[i] = m_new_i
        p[i] = p_new_i


@tensor_scalars
def novograd_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    v_new = tensor[4]
    tensor[2] = v_new
