"""The rule noisy_sgd over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    normal_float32,
    random_key,
    sqrt,
)


@model_scalars
def noisy_sgd_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    eta = model[6]
    gamma = model[7]
    c1 = step ** ((-0.5) * gamma) * sqrt(eta)
    model[8] = c1


@element_pass
def noisy_sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    lr = float32(model[5])
    c1 = float32(model[8])  # sqrt(eta)/step**(gamma/2)
    key = random_key(model, tensor)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -lr*(g + sqrt(eta)*normal_1()/step**(gamma/2)) + p
        p_new = p_i - lr * (g_i + c1 * normal_float32(key, start + i, 1))
        p[i] = p_new
