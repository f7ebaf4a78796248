"""The rule elementary over p, g, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    abs,
    acos,
    aligned,
    asin,
    atan,
    atan2,
    cbrt,
    ceil,
    cos,
    cosh,
    element,
    element_pass,
    erf,
    exp,
    expm1,
    float32,
    float32_array,
    floor,
    load4,
    log,
    log1p,
    maximum,
    sign,
    sin,
    sinh,
    sqrt,
    store4,
    tan,
    tanh,
    thread,
    threads,
)


@element
def elementary_element_1(p_i, g_i):
    """What pass 1 does to an element."""
    t1 = abs(g_i)
    # p <- add of 24 parts
    p_new = p_i - sqrt(g_i) - t1 - acos(g_i) - asin(g_i) - atan(g_i) - atan2(g_i, p_i) - cbrt(g_i) - ceil(g_i) - cos(g_i) - cosh(g_i) - erf(g_i) - exp(g_i) - expm1(g_i) - floor(g_i) - log(g_i) - log1p(g_i) - float32(1.0) / (exp(-g_i) + float32(1.0)) - sign(g_i) - sin(g_i) - sinh(g_i) - (maximum(float32(0.0), g_i) + log1p(exp(-t1))) - tan(g_i) - tanh(g_i)
    return p_new


@element_pass
def elementary_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    packs = count // 4 if aligned(p) & aligned(g) else 0
    for k in range(thread(), packs, threads()):
        p_0, p_1, p_2, p_3 = load4(p, k)
        g_0, g_1, g_2, g_3 = load4(g, k)
        p_new_0 = elementary_element_1(p_0, g_0)
        p_new_1 = elementary_element_1(p_1, g_1)
        p_new_2 = elementary_element_1(p_2, g_2)
        p_new_3 = elementary_element_1(p_3, g_3)
        store4(p, k, p_new_0, p_new_1, p_new_2, p_new_3)
    for i in range(4 * packs + thread(), count, threads()):
        p_i = p[i]
        g_i = g[i]
        p_new_i = elementary_element_1(p_i, g_i)
        p[i] = p_new_i
