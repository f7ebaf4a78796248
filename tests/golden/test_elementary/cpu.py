"""The rule elementary over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    acos,
    asin,
    atan,
    atan2,
    cbrt,
    ceil,
    cos,
    cosh,
    element_pass,
    erf,
    exp,
    expm1,
    float32,
    float32_array,
    floor,
    log,
    log1p,
    maximum,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)


@element_pass
def elementary_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        t1 = abs(g_i)
        # p <- add of 24 parts
        p_new = p_i - sqrt(g_i) - t1 - acos(g_i) - asin(g_i) - atan(g_i) - atan2(g_i, p_i) - cbrt(g_i) - ceil(g_i) - cos(g_i) - cosh(g_i) - erf(g_i) - exp(g_i) - expm1(g_i) - floor(g_i) - log(g_i) - log1p(g_i) - float32(1.0) / (exp(-g_i) + float32(1.0)) - sign(g_i) - sin(g_i) - sinh(g_i) - (maximum(float32(0.0), g_i) + log1p(exp(-t1))) - tan(g_i) - tanh(g_i)
        p[i] = p_new
