"""The rule polyak_sgd over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    minimum,
    model_scalars,
)


@element_pass
def polyak_sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate_square(sum_1, float64(g_i))
    sums[0] = sum_1


@model_scalars
def polyak_sgd_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    scaling = model[6]
    f_min = model[7]
    eps = model[8]
    loss = model[9]
    sum_1 = model[10]
    t1 = eps + sum_1
    # gamma <- where(eps + sum_1 <= 2.22044604925031e-16, 0, scaling*Min(...*..., lr))
    gamma = (0.0 if t1 <= 2.220446049250313e-16 else scaling * minimum((loss - f_min) / t1, lr))
    model[11] = gamma


@element_pass
def polyak_sgd_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    gamma = float32(model[11])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -g*gamma + p
        p_new = p_i - gamma * g_i
        p[i] = p_new
