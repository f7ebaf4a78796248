"""The rule srmm over p, g, g_mean, p_mean, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def srmm_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta = model[6]
    memory_length = model[7]
    t1 = (1.0 + (step % memory_length)) ** (-beta)
    c1 = t1
    c2 = 1.0 - t1
    model[8] = c1
    model[9] = c2


@element_pass
def srmm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, g_mean, p_mean; writes g_mean, p_mean, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    g_mean = float32_array(arrays[2], start, count)
    p_mean = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    c1 = float32(model[8])  # (Mod(step, memory_length) + 1)**(-beta)
    c2 = float32(model[9])  # 1 - 1/(Mod(step, memory_length) + 1)**beta
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        g_mean_i = g_mean[i]
        p_mean_i = p_mean[i]
        # g_mean <- g/(... + 1)**beta + g_mean*(1 - ...)
        g_mean_new = c1 * g_i + c2 * g_mean_i
        # p_mean <- -lr*g_mean_new + p/(... + 1)**beta + p_mean*(1 - ...)
        p_mean_new = c1 * p_i + c2 * p_mean_i - lr * g_mean_new
        # p <- p_mean_new
        p_new = p_mean_new
        g_mean[i] = g_mean_new
        p_mean[i] = p_mean_new
        p[i] = p_new
