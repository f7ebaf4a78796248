"""The rule my_rmsprop over p, g, a, in float64, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    aligned,
    element,
    element_pass,
    float64_array,
    load2,
    model_scalars,
    sqrt,
    store2,
    thread,
    threads,
)


@model_scalars
def my_rmsprop_scalars_1(model):
    """Scalars of the model, in float64."""
    rho = model[6]
    one_minus_rho = 1.0 - rho
    model[7] = one_minus_rho


@element
def my_rmsprop_element_1(p_i, g_i, a_i, lr, rho, one_minus_rho):
    """What pass 1 does to an element."""
    # a <- g**2*(1 - rho) + rho*a
    a_new = one_minus_rho * g_i**2 + rho * a_i
    # p <- -g*lr/sqrt(a_new) + p
    p_new = p_i - lr * g_i / sqrt(a_new)
    return a_new, p_new


@element_pass
def my_rmsprop_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, a; writes a, p."""
    p = float64_array(arrays[0], start, count)
    g = float64_array(arrays[1], grad_start, count)
    a = float64_array(arrays[2], start, count)
    lr = model[5]
    rho = model[6]
    one_minus_rho = model[7]  # 1 - rho
    packs = count // 2 if aligned(p) & aligned(g) & aligned(a) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1 = load2(p, k)
        g_0, g_1 = load2(g, k)
        a_0, a_1 = load2(a, k)
        a_new_0, p_new_0 = my_rmsprop_element_1(p_0, g_0, a_0, lr, rho, one_minus_rho)
        a_new_1, p_new_1 = my_rmsprop_element_1(p_1, g_1, a_1, lr, rho, one_minus_rho)
        store2(a, k, a_new_0, a_new_1)
        store2(p, k, p_new_0, p_new_1)
    for i in range(2 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        a_i = a[i]
        a_new_i, p_new_i = my_rmsprop_element_1(p_i, g_i, a_i, lr, rho, one_minus_rho)
        a[i] = a_new_i
        p[i] = p_new_i
