"""The rule asgd over p, g, average, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    model_scalars,
    tensor_scalars,
)


@model_scalars
def asgd_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    lambd = model[6]
    alpha = model[7]
    t0 = model[8]
    # eta <- lr/(step*lambd*lr + 1)**alpha
    eta_new = lr * (1.0 + step * lambd * lr) ** (-alpha)
    # mu <- 1/Max(1, step - t0)
    mu_new = 1.0 / maximum(1.0, step - t0)
    model[9] = eta_new
    model[10] = mu_new


@tensor_scalars
def asgd_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    mu = tensor[3]
    c1 = (1.0 if mu == 1.0 else 0.0)
    tensor[4] = c1


@element_pass
def asgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, average; writes p, average."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    average = float32_array(arrays[2], start, count)
    lambd = float32(model[6])
    eta = float32(tensor[2])
    mu = float32(tensor[3])
    c1 = float32(tensor[4])  # where(mu == 1, 1, 0)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        average_i = average[i]
        # p <- p - eta*(g + lambd*p)
        p_new = p_i - eta * (g_i + lambd * p_i)
        # average <- where(mu == 1, p_new, average + mu*(p_new - average))
        average_new = (p_new if c1 > float32(0.0) else average_i + mu * (p_new - average_i))
        p[i] = p_new
        average[i] = average_new


@tensor_scalars
def asgd_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    eta_new = model[9]
    mu_new = model[10]
    tensor[2] = eta_new
    tensor[3] = mu_new
