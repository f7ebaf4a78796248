"""The rule adagrad_optax over p, g, s, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    sqrt,
)


@element_pass
def adagrad_optax_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, s; writes s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    eps = float32(model[7])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        s_i = s[i]
        # s <- g**2 + s
        s_new = s_i + g_i**2
        # p <- -g*lr*where(s_new > 0, 1/sqrt(eps + s_new), 0) + p
        p_new = p_i - lr * g_i * (float32(1.0) / sqrt(s_new + eps) if s_new > float32(0.0) else float32(0.0))
        s[i] = s_new
        p[i] = p_new
