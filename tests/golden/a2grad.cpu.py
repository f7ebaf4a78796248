"""The rule a2grad over p, g, g_mean, x, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def a2grad_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    c1 = 1.0 / step
    model[7] = c1


@element_pass
def a2grad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, g_mean; writes g_mean."""
    g = float32_array(arrays[1], grad_start, count)
    g_mean = float32_array(arrays[2], start, count)
    c1 = float32(model[7])  # 1/step
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        g_mean_i = g_mean[i]
        # g_mean <- g_mean + (g - g_mean)/step
        g_mean_new = g_mean_i + c1 * (g_i - g_mean_i)
        sum_1 = accumulate(sum_1, float64(g_i - g_mean_new)**2)
        g_mean[i] = g_mean_new
    sums[0] = sum_1


@model_scalars
def a2grad_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    t1 = 1.0 / (step + 3.0)
    c2 = 1.0 - 2.0 * t1
    c3 = 2.0 * t1
    model[8] = c2
    model[9] = c3


@tensor_scalars
def a2grad_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta = model[5]
    lips = model[6]
    v = tensor[2]
    sum_1 = tensor[3]
    # v <- sum_1 + v
    v_new = sum_1 + v
    # pace <- 1/(beta*sqrt(v_new) + 2*lips/(step + 1))
    pace = 1.0 / (beta * sqrt(v_new) + 2.0 * lips / (step + 1.0))
    c4 = pace * (1.0 - 2.0 / (step + 3.0)) * (2.0 / (step + 2.0) if step > 1.0 else 1.0)
    tensor[4] = v_new
    tensor[5] = pace
    tensor[6] = c4


@element_pass
def a2grad_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, x; writes x, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    x = float32_array(arrays[3], start, count)
    c2 = float32(model[8])  # 1 - 2/(step + 3)
    c3 = float32(model[9])  # 2/(step + 3)
    pace = float32(tensor[5])
    c4 = float32(tensor[6])  # pace*(1 - 2/(step + 3))*where(step > 1, 2/(step + 2), 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        x_i = x[i]
        # x <- -g*pace + x
        x_new = x_i - pace * g_i
        # p <- -g*pace*(1 - 2*...)*where(step > 1, 2*..., 1) + 2*x_new/(step + 3) + p*(1 - 2*...)
        p_new = c2 * p_i + c3 * x_new - c4 * g_i
        x[i] = x_new
        p[i] = p_new


@tensor_scalars
def a2grad_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    v_new = tensor[4]
    tensor[2] = v_new
