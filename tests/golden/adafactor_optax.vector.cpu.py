"""The rule adafactor_optax over p, g, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def adafactor_optax_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    decay_rate = model[6]
    # b <- step**(-decay_rate)
    b = step ** (-decay_rate)
    model[11] = b


@element_pass
def adafactor_optax_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    eps = float32(model[9])
    b = float32(model[11])
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        # v <- b*(g**2 + eps - v) + v
        v_new = v_i + b * (eps + g_i**2 - v_i)
        # u <- g/sqrt(v_new)
        u = g_i / sqrt(v_new)
        sum_1 = accumulate(sum_1, float64(u)**2)
        sum_2 = accumulate(sum_2, float64(p_i)**2)
        v[i] = v_new
    sums[0] = sum_1
    sums[1] = sum_2


@tensor_scalars
def adafactor_optax_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    clipping_threshold = model[7]
    size = tensor[0]
    sum_1 = tensor[3]
    sum_2 = tensor[4]
    t1 = 1.0 / sqrt(size)
    # rate <- lr*Max(sqrt(sum_2)/sqrt(size), 0.001)/Max(1, sqrt(sum_1)/(clipping_threshold*sqrt(size)))
    rate = lr * maximum(t1 * sqrt(sum_2), 0.001) / maximum(1.0, t1 * sqrt(sum_1) / clipping_threshold)
    tensor[5] = rate


@element_pass
def adafactor_optax_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    weight_decay = float32(model[8])
    rate = float32(tensor[5])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_new = v[i]
        # u <- g/sqrt(v_new)
        u = g_i / sqrt(v_new)
        # p <- -weight_decay*p - rate*u + p
        p_new = p_i - weight_decay * p_i - rate * u
        p[i] = p_new
