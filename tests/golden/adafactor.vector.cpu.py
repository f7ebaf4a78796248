"""The rule adafactor over p, g, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    minimum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def adafactor_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta2_decay = model[6]
    eps1 = model[9]
    # rounded <- 4/3
    rounded = float64(float32(1.3333333333333333))
    # third <- rounded - 1
    third = rounded - 1.0
    # least <- where(eps1 == 0, Abs(3*third - 1), eps1)
    least = (abs(3.0 * third - 1.0) if eps1 == 0.0 else eps1)
    # b <- step**beta2_decay
    b = step ** beta2_decay
    c1 = least**2
    model[11] = b
    model[12] = c1


@element_pass
def adafactor_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    b = float32(model[11])
    c1 = float32(model[12])  # least**2
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        # v <- b*(g**2 - v) + v
        v_new = v_i + b * (g_i**2 - v_i)
        # u <- g/sqrt(Max(v_new, least**2))
        u = g_i / sqrt(maximum(v_new, c1))
        sum_1 = accumulate(sum_1, float64(p_i)**2)
        sum_2 = accumulate(sum_2, float64(u)**2)
        v[i] = v_new
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def adafactor_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[8]
    c2 = 1.0 - lr * weight_decay
    model[13] = c2


@tensor_scalars
def adafactor_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    d = model[7]
    eps2 = model[10]
    size = tensor[0]
    sum_1 = tensor[3]
    sum_2 = tensor[4]
    t1 = 1.0 / sqrt(size)
    # alpha <- Max(eps2, sqrt(sum_1)/sqrt(size))*Min(lr, 1/sqrt(step))
    alpha = maximum(eps2, t1 * sqrt(sum_1)) * minimum(lr, 1.0 / sqrt(step))
    c3 = alpha / maximum(1.0, t1 * sqrt(sum_2) / d)
    tensor[5] = c3


@element_pass
def adafactor_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    c1 = float32(model[12])  # least**2
    c2 = float32(model[13])  # -lr*weight_decay + 1
    c3 = float32(tensor[5])  # alpha/Max(1, sqrt(sum_2)/(d*sqrt(size)))
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_new = v[i]
        # u <- g/sqrt(Max(v_new, least**2))
        u = g_i / sqrt(maximum(v_new, c1))
        # p <- -alpha*u/Max(1, sqrt(sum_2)/(d*sqrt(size))) + p*(-lr*weight_decay + 1)
        p_new = c2 * p_i - c3 * u
        p[i] = p_new
