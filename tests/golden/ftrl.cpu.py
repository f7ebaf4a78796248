"""The rule ftrl over p, g, n, z, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sign,
    sqrt,
)


@model_scalars
def ftrl_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    c1 = (1.0 if lr == 0.0 else 0.0)
    c2 = 1.0 / lr
    model[9] = c1
    model[10] = c2


@element_pass
def ftrl_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, n, z; writes n, z, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    n = float32_array(arrays[2], start, count)
    z = float32_array(arrays[3], start, count)
    beta = float32(model[6])
    lambda1 = float32(model[7])
    lambda2 = float32(model[8])
    c1 = float32(model[9])  # where(lr == 0, 1, 0)
    c2 = float32(model[10])  # 1/lr
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        n_i = n[i]
        z_i = z[i]
        # n <- where(lr == 0, n, g**2 + n)
        n_new = (n_i if c1 > float32(0.0) else n_i + g_i**2)
        t1 = sqrt(n_new)
        # z <- where(lr == 0, z, g + z - p*(sqrt(n_new) - sqrt(n))/lr)
        z_new = (z_i if c1 > float32(0.0) else g_i + z_i - c2 * p_i * (t1 - sqrt(n_i)))
        # p <- where(lr == 0, p, where(Abs(z_new) <= lambda1, 0, (... + ...)/...))
        p_new = (p_i if c1 > float32(0.0) else (float32(0.0) if abs(z_new) <= lambda1 else (lambda1 * sign(z_new) - z_new) / (lambda2 + c2 * (t1 + beta))))
        n[i] = n_new
        z[i] = z_new
        p[i] = p_new
