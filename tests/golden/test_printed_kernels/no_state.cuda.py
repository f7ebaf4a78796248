"""The rule sgd over p, g, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    load4,
    narrowed,
    store4,
    thread,
    threads,
)


@element
def sgd_element_1(p_i, g_i, lr, weight_decay):
    """What pass 1 does to an element."""
    # p <- -lr*(g + weight_decay*p) + p
    p_new = p_i - lr * (g_i + weight_decay * p_i)
    return p_new


@element_pass
def sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    lr = narrowed(model[5])
    weight_decay = narrowed(model[6])
    packs = count // 4 if aligned(p) & aligned(g) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        p_new_0 = sgd_element_1(p_0, g_0, lr, weight_decay)
        p_new_1 = sgd_element_1(p_1, g_1, lr, weight_decay)
        p_new_2 = sgd_element_1(p_2, g_2, lr, weight_decay)
        p_new_3 = sgd_element_1(p_3, g_3, lr, weight_decay)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        p_new_i = sgd_element_1(p_i, g_i, lr, weight_decay)
        p[i] = p_new_i
