"""The rule nero over p, g, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def nero_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta = model[6]
    one_minus_beta = 1.0 - beta
    c1 = 1.0 / (1.0 - beta ** step)
    model[8] = one_minus_beta
    model[9] = c1


@tensor_scalars
def nero_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    scale = tensor[3]
    c2 = lr * scale
    tensor[4] = c2


@element_pass
def nero_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    beta = float32(model[6])
    eps = float32(model[7])
    one_minus_beta = float32(model[8])  # 1 - beta
    c1 = float32(model[9])  # 1/(1 - beta**step)
    c2 = float32(tensor[4])  # lr*scale
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        # v <- g**2*(1 - beta) + beta*v
        v_new = one_minus_beta * g_i**2 + beta * v_i
        # p <- -g*lr*scale/(eps + sqrt(v_new/(1 - beta**step))) + p
        p_new = p_i - c2 * g_i / (eps + sqrt(c1 * v_new))
        v[i] = v_new
        p[i] = p_new
