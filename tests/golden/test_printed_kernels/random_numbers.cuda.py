"""The rule noisy_sgd over p, g, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float32_array,
    load4,
    model_scalars,
    narrowed,
    normal_float32,
    random_key,
    sqrt,
    store4,
    thread,
    threads,
)


@model_scalars
def noisy_sgd_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    eta = model[6]
    gamma = model[7]
    c1 = step ** ((-0.5) * gamma) * sqrt(eta)
    model[8] = c1


@element
def noisy_sgd_element_1(p_i, g_i, i, lr, c1, key):
    """What pass 1 does to an element."""
    # p <- -lr*(g + sqrt(eta)*normal_1()/step**(gamma/2)) + p
    p_new = p_i - lr * (g_i + c1 * normal_float32(key, i, 1))
    return p_new


@element_pass
def noisy_sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    lr = narrowed(model[5])
    c1 = narrowed(model[8])  # sqrt(eta)/step**(gamma/2)
    key = random_key(model, tensor)
    packs = count // 4 if aligned(p) & aligned(g) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        p_new_0 = noisy_sgd_element_1(p_0, g_0, start + 4 * k, lr, c1, key)
        p_new_1 = noisy_sgd_element_1(p_1, g_1, start + 4 * k + 1, lr, c1, key)
        p_new_2 = noisy_sgd_element_1(p_2, g_2, start + 4 * k + 2, lr, c1, key)
        p_new_3 = noisy_sgd_element_1(p_3, g_3, start + 4 * k + 3, lr, c1, key)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        p_new_i = noisy_sgd_element_1(p_i, g_i, start + i, lr, c1, key)
        p[i] = p_new_i
