"""The rule rprop over p, g, d, last, in float32, for CUDA.

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
    narrowed,
    sign,
    store4,
    thread,
    threads,
)


@element
def rprop_element_1(p_i, g_i, d_i, last_i, eta_minus, eta_plus, step_min, step_max):
    """What pass 1 does to an element."""
    t1 = g_i * last_i
    # d <- Min(Max(d*where(..., eta_plus, ...), step_min), step_max)
    d_new = minimum(maximum(d_i * (eta_plus if t1 > float32(0.0) else (eta_minus if t1 < float32(0.0) else float32(1.0))), step_min), step_max)
    # last <- where(g*last < 0, 0, g)
    last_new = (float32(0.0) if t1 < float32(0.0) else g_i)
    # p <- -d_new*sign(last_new) + p
    p_new = p_i - d_new * sign(last_new)
    return d_new, last_new, p_new


@element_pass
def rprop_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, d, last; writes d, last, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    d = float32_array(arrays[2], start, count)
    last = float32_array(arrays[3], start, count)
    eta_minus = narrowed(model[6])
    eta_plus = narrowed(model[7])
    step_min = narrowed(model[8])
    step_max = narrowed(model[9])
    packs = count // 4 if aligned(p) & aligned(g) & aligned(d) & aligned(last) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        d_0, d_1, d_2, d_3 = load4(d, k)
        last_0, last_1, last_2, last_3 = load4(last, k)
        d_new_0, last_new_0, p_new_0 = rprop_element_1(
            p_0, g_0, d_0, last_0, eta_minus, eta_plus, step_min, step_max,
        )
        d_new_1, last_new_1, p_new_1 = rprop_element_1(
            p_1, g_1, d_1, last_1, eta_minus, eta_plus, step_min, step_max,
        )
        d_new_2, last_new_2, p_new_2 = rprop_element_1(
            p_2, g_2, d_2, last_2, eta_minus, eta_plus, step_min, step_max,
        )
        d_new_3, last_new_3, p_new_3 = rprop_element_1(
            p_3, g_3, d_3, last_3, eta_minus, eta_plus, step_min, step_max,
        )
        store4(d, k, d_new_0, d_new_1, d_new_2, d_new_3)
        store4(last, k, last_new_0, last_new_1, last_new_2, last_new_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        d_i = d[i]
        last_i = last[i]
        d_new_i, last_new_i, p_new_i = rprop_element_1(
            p_i, g_i, d_i, last_i, eta_minus, eta_plus, step_min, step_max,
        )
        d[i] = d_new_i
        last[i] = last_new_i
        p[i] = p_new_i
