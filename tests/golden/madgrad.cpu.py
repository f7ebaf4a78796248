"""The rule madgrad over p, g, q, s, start, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.runtime.kernel import (
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
    c1 = sqrt(step) * (eps + lr)
    one_minus_momentum = 1.0 - momentum
    model[8] = c1
    model[9] = one_minus_momentum


@element_pass
def madgrad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, q, s, start_; writes q, s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    q = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    start_ = float32_array(arrays[4], start, count)
    momentum = float32(model[6])
    eps = float32(model[7])
    c1 = float32(model[8])  # sqrt(step)*(eps + lr)
    one_minus_momentum = float32(model[9])  # 1 - momentum
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        q_i = q[i]
        s_i = s[i]
        start_i = start_[i]
        # q <- sqrt(step)*g**2*(eps + lr) + q
        q_new = q_i + c1 * g_i**2
        # s <- sqrt(step)*g*(eps + lr) + s
        s_new = s_i + c1 * g_i
        # start <- start
        start_new = start_i
        # p <- momentum*p + (1 - momentum)*(-s_new/(eps + q_new**0.333333333333333) + start_new)
        p_new = one_minus_momentum * (start_new - s_new / (eps + q_new ** float32(0.3333333333333333))) + momentum * p_i
        q[i] = q_new
        s[i] = s_new
        p[i] = p_new
