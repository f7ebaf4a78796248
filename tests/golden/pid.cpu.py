"""The rule pid over p, g, i, d, last, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
)


@model_scalars
def pid_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    dampening = model[7]
    one_minus_dampening = 1.0 - dampening
    one_minus_momentum = 1.0 - momentum
    model[11] = one_minus_dampening
    model[12] = one_minus_momentum


@element_pass
def pid_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, i_, d, last; writes i_, d, last, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    i_ = float32_array(arrays[2], start, count)
    d = float32_array(arrays[3], start, count)
    last = float32_array(arrays[4], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    momentum = float32(model[6])
    integral = float32(model[8])
    derivative = float32(model[9])
    weight_decay = float32(model[10])
    one_minus_dampening = float32(model[11])  # 1 - dampening
    one_minus_momentum = float32(model[12])  # 1 - momentum
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        i_i = i_[i]
        d_i = d[i]
        last_i = last[i]
        t1 = weight_decay * p_i
        t2 = t1 + g_i
        # last_old <- where(step == 1, g + weight_decay*p, last)
        last_old = (t2 if step == float32(1.0) else last_i)
        # i <- momentum*i + (1 - dampening)*(g + weight_decay*p)
        i_new = one_minus_dampening * t2 + momentum * i_i
        # d <- momentum*d + (1 - momentum)*(g + weight_decay*p - last_old)
        d_new = one_minus_momentum * (t1 + g_i - last_old) + momentum * d_i
        # last <- g + weight_decay*p
        last_new = t2
        # p <- -lr*(derivative*d_new + integral*i_new + last_new) + p
        p_new = p_i - lr * (last_new + derivative * d_new + integral * i_new)
        i_[i] = i_new
        d[i] = d_new
        last[i] = last_new
        p[i] = p_new
