"""The rule cocob over p, g, scale, total, reward, gradients, start, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    float32,
    float32_array,
    maximum,
)


@element_pass
def cocob_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, scale, total, reward, gradients, start_; writes scale, total, reward, gradients, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    scale = float32_array(arrays[2], start, count)
    total = float32_array(arrays[3], start, count)
    reward = float32_array(arrays[4], start, count)
    gradients = float32_array(arrays[5], start, count)
    start_ = float32_array(arrays[6], start, count)
    alpha = float32(model[5])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        scale_i = scale[i]
        total_i = total[i]
        reward_i = reward[i]
        gradients_i = gradients[i]
        start_i = start_[i]
        # start <- start
        start_new = start_i
        t1 = abs(g_i)
        # scale <- Max(scale, Abs(g))
        scale_new = maximum(scale_i, t1)
        # total <- total + Abs(g)
        total_new = t1 + total_i
        # reward <- Max(-g*(-start_new + p) + reward, 0)
        reward_new = maximum(reward_i - g_i * (p_i - start_new), float32(0.0))
        # gradients <- -g + gradients
        gradients_new = gradients_i - g_i
        # p <- gradients_new*(reward_new + scale_new)/(scale_new*Max(..., ...)) + start_new
        p_new = start_new + gradients_new * (reward_new + scale_new) / scale_new / maximum(scale_new + total_new, alpha * scale_new)
        scale[i] = scale_new
        total[i] = total_new
        reward[i] = reward_new
        gradients[i] = gradients_new
        p[i] = p_new
