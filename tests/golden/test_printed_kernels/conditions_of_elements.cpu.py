"""The rule rprop over p, g, d, last, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    minimum,
    sign,
)


@element_pass
def rprop_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, d, last; writes d, last, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    d = float32_array(arrays[2], start, count)
    last = float32_array(arrays[3], start, count)
    eta_minus = float32(model[6])
    eta_plus = float32(model[7])
    step_min = float32(model[8])
    step_max = float32(model[9])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        d_i = d[i]
        last_i = last[i]
        t1 = g_i * last_i
        # d <- Min(Max(d*where(..., eta_plus, ...), step_min), step_max)
        d_new = minimum(maximum(d_i * (eta_plus if t1 > float32(0.0) else (eta_minus if t1 < float32(0.0) else float32(1.0))), step_min), step_max)
        # last <- where(g*last < 0, 0, g)
        last_new = (float32(0.0) if t1 < float32(0.0) else g_i)
        # p <- -d_new*sign(last_new) + p
        p_new = p_i - d_new * sign(last_new)
        d[i] = d_new
        last[i] = last_new
        p[i] = p_new
