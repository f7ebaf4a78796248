"""The rule madgrad over p, g, q, s, start, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
)


@model_scalars
def madgrad_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    momentum = model[6]
    eps = model[7]
    # weight <- where(lr == 0, 0, sqrt(step)*(eps + lr))
    weight = (0.0 if lr == 0.0 else sqrt(step) * (eps + lr))
    one_minus_momentum = 1.0 - momentum
    model[8] = weight
    model[9] = one_minus_momentum


@element_pass
def madgrad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, q, s, start_; writes q, s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    q = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    start_ = float32_array(arrays[4], start, count)
    eps = float32(model[7])
    weight = float32(model[8])
    one_minus_momentum = float32(model[9])  # 1 - momentum
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        q_i = q[i]
        s_i = s[i]
        start_i = start_[i]
        # q <- g**2*weight + q
        q_new = q_i + weight * g_i**2
        # s <- g*weight + s
        s_new = s_i + weight * g_i
        # start <- start
        start_new = start_i
        # p <- p + (1 - momentum)*(-s_new/(eps + q_new**0.333333333333333) + start_new - p)
        p_new = p_i + one_minus_momentum * (start_new - p_i - s_new / (eps + q_new ** float32(0.3333333333333333)))
        q[i] = q_new
        s[i] = s_new
        p[i] = p_new
