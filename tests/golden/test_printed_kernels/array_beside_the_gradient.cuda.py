"""The rule sophia over p, g, hessian_diag, m, h, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32,
    float32_array,
    load4,
    maximum,
    minimum,
    model_scalars,
    narrowed,
    store4,
    thread,
    threads,
)


@model_scalars
def sophia_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    clip_threshold = model[9]
    one_minus_beta1 = 1.0 - beta1
    c1 = (1.0 if (step - 1.0) % 10.0 == 0.0 else 0.0)
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta1 ** step)
    c3 = maximum(clip_threshold, 0.0)
    model[12] = one_minus_beta1
    model[13] = c1
    model[14] = one_minus_beta2
    model[15] = c2
    model[16] = c3


@element
def sophia_element_1(
    p_i, g_i, hessian_diag_i, m_i, h_i, lr, beta1, beta2, gamma, eps, weight_decay,
    one_minus_beta1, c1, one_minus_beta2, c2, c3,
):
    """What pass 1 does to an element."""
    # m <- g*(1 - beta1) + beta1*m
    m_new = one_minus_beta1 * g_i + beta1 * m_i
    # h <- where(Mod(step - 1, 10) == 0, hessian_diag*(1 - beta2) + beta2*h, h)
    h_new = (one_minus_beta2 * hessian_diag_i + beta2 * h_i if c1 > float32(0.0) else h_i)
    # p <- -lr*(weight_decay*p + Min(..., ...)) + p
    p_new = p_i - lr * (weight_decay * p_i + minimum(maximum(c2 * m_new / maximum(gamma * h_i, eps), -c3), c3))
    return m_new, h_new, p_new


@element_pass
def sophia_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, hessian_diag, m, h; writes m, h, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    hessian_diag = float32_array(arrays[2], start, count)
    m = float32_array(arrays[3], start, count)
    h = float32_array(arrays[4], start, count)
    lr = narrowed(model[5])
    beta1 = narrowed(model[6])
    beta2 = narrowed(model[7])
    gamma = narrowed(model[8])
    eps = narrowed(model[10])
    weight_decay = narrowed(model[11])
    one_minus_beta1 = narrowed(model[12])  # 1 - beta1
    c1 = narrowed(model[13])  # where(Mod(step - 1, 10) == 0, 1, 0)
    one_minus_beta2 = narrowed(model[14])  # 1 - beta2
    c2 = narrowed(model[15])  # 1/(1 - beta1**step)
    c3 = narrowed(model[16])  # Max(clip_threshold, 0)
    packs = count // 4 if aligned(p) & aligned(g) & aligned(hessian_diag) & aligned(m) & aligned(h) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        hessian_diag_0, hessian_diag_1, hessian_diag_2, hessian_diag_3 = load4(hessian_diag, k)
        m_0, m_1, m_2, m_3 = load4(m, k)
        h_0, h_1, h_2, h_3 = load4(h, k)
        m_new_0, h_new_0, p_new_0 = sophia_element_1(
            p_0, g_0, hessian_diag_0, m_0, h_0, lr, beta1, beta2, gamma, eps, weight_decay,
            one_minus_beta1, c1, one_minus_beta2, c2, c3,
        )
        m_new_1, h_new_1, p_new_1 = sophia_element_1(
            p_1, g_1, hessian_diag_1, m_1, h_1, lr, beta1, beta2, gamma, eps, weight_decay,
            one_minus_beta1, c1, one_minus_beta2, c2, c3,
        )
        m_new_2, h_new_2, p_new_2 = sophia_element_1(
            p_2, g_2, hessian_diag_2, m_2, h_2, lr, beta1, beta2, gamma, eps, weight_decay,
            one_minus_beta1, c1, one_minus_beta2, c2, c3,
        )
        m_new_3, h_new_3, p_new_3 = sophia_element_1(
            p_3, g_3, hessian_diag_3, m_3, h_3, lr, beta1, beta2, gamma, eps, weight_decay,
            one_minus_beta1, c1, one_minus_beta2, c2, c3,
        )
        store4(m, k, m_new_0, m_new_1, m_new_2, m_new_3)
        store4(h, k, h_new_0, h_new_1, h_new_2, h_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        hessian_diag_i = hessian_diag[i]
        m_i = m[i]
        h_i = h[i]
        m_new_i, h_new_i, p_new_i = sophia_element_1(
            p_i, g_i, hessian_diag_i, m_i, h_i, lr, beta1, beta2, gamma, eps, weight_decay,
            one_minus_beta1, c1, one_minus_beta2, c2, c3,
        )
        m[i] = m_new_i
        h[i] = h_new_i
        p[i] = p_new_i
