"""The rule polyak_sgd over p, g, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    float64,
    load4,
    minimum,
    model_scalars,
    narrowed,
    store4,
    sum_of,
    thread,
    threads,
)


@element
def polyak_sgd_element_1(g_i):
    """What pass 1 does to an element."""
    return float64(g_i)**2


@element_pass
def polyak_sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    packs = count // 4 if aligned(g) else 0
    for k in range(thread(), packs, threads()):
        g_0, g_1, g_2, g_3 = load4(g, k)
        sum_1_0 = polyak_sgd_element_1(g_0)
        sum_1_1 = polyak_sgd_element_1(g_1)
        sum_1_2 = polyak_sgd_element_1(g_2)
        sum_1_3 = polyak_sgd_element_1(g_3)
        sum_1 = sum_1 + sum_1_0
        sum_1 = sum_1 + sum_1_1
        sum_1 = sum_1 + sum_1_2
        sum_1 = sum_1 + sum_1_3
    for i in range(4 * packs + thread(), count, threads()):
        g_i = g[i]
        sum_1_i = polyak_sgd_element_1(g_i)
        sum_1 = sum_1 + sum_1_i
    sum_1 = sum_of(sum_1, threads(), scratch)
    if thread() == 0:
        sums[0] = sum_1


@model_scalars
def polyak_sgd_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    scaling = model[6]
    f_min = model[7]
    eps = model[8]
    loss = model[9]
    sum_1 = model[10]
    t1 = eps + sum_1
    # gamma <- where(eps + sum_1 <= 2.22044604925031e-16, 0, scaling*Min(...*..., lr))
    gamma = (0.0 if t1 <= 2.220446049250313e-16 else scaling * minimum((loss - f_min) / t1, lr))
    model[11] = gamma


@element
def polyak_sgd_element_2(p_i, g_i, gamma):
    """What pass 2 does to an element."""
    # p <- -g*gamma + p
    p_new = p_i - gamma * g_i
    return p_new


@element_pass
def polyak_sgd_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    gamma = narrowed(model[11])
    packs = count // 4 if aligned(p) & aligned(g) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        p_new_0 = polyak_sgd_element_2(p_0, g_0, gamma)
        p_new_1 = polyak_sgd_element_2(p_1, g_1, gamma)
        p_new_2 = polyak_sgd_element_2(p_2, g_2, gamma)
        p_new_3 = polyak_sgd_element_2(p_3, g_3, gamma)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        p_new_i = polyak_sgd_element_2(p_i, g_i, gamma)
        p[i] = p_new_i
