"""The rule tam over p, g, b, s, in float32, for the CPU.

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


@element_pass
def tam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, b; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    step = float32(model[0])
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        g_i = g[i]
        b_i = b[i]
        # b_old <- where(step == 1, g, b)
        b_old = (g_i if step == float32(1.0) else b_i)
        sum_1 = accumulate(sum_1, float64(b_old)**2)
        sum_2 = accumulate(sum_2, float64(g_i)**2)
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def tam_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    eps = model[8]
    weight_decay = model[9]
    c2 = eps + 0.5
    c3 = 1.0 - lr * weight_decay
    model[10] = c2
    model[11] = c3


@tensor_scalars
def tam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    decay_rate = model[7]
    sum_1 = tensor[3]
    sum_2 = tensor[4]
    # momentum_length <- Max(sqrt(sum_1), 1.0e-12)
    momentum_length = maximum(sqrt(sum_1), 1e-12)
    # gradient_length <- Max(sqrt(sum_2), 1.0e-12)
    gradient_length = maximum(sqrt(sum_2), 1e-12)
    c1 = (1.0 - decay_rate) / gradient_length / momentum_length
    tensor[5] = c1


@element_pass
def tam_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b, s; writes s, b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    momentum = float32(model[6])
    decay_rate = float32(model[7])
    c2 = float32(model[10])  # eps + 1/2
    c3 = float32(model[11])  # -lr*weight_decay + 1
    c1 = float32(tensor[5])  # (1 - decay_rate)/(gradient_length*momentum_length)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        s_i = s[i]
        # b_old <- where(step == 1, g, b)
        b_old = (g_i if step == float32(1.0) else b_i)
        # s <- g*b_old*(1 - decay_rate)/(gradient_length*momentum_length) + decay_rate*s
        s_new = decay_rate * s_i + c1 * g_i * b_old
        # b <- g*(eps + s_new/2 + 1/2) + momentum*b_old
        b_new = g_i * (c2 + float32(0.5) * s_new) + momentum * b_old
        # p <- -lr*b_new + p*(-lr*weight_decay + 1)
        p_new = c3 * p_i - lr * b_new
        s[i] = s_new
        b[i] = b_new
        p[i] = p_new
