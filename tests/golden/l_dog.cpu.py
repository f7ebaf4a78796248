"""The rule l_dog over p, g, p0, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    sqrt,
    tensor_scalars,
)


@element_pass
def l_dog_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, p0; writes nothing."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    p0 = float32_array(arrays[2], start, count)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        p0_i = p0[i]
        sum_1 = accumulate(sum_1, float64(p_i - p0_i)**2)
        sum_2 = accumulate(sum_2, float64(g_i)**2)
    sums[0] = sum_1
    sums[1] = sum_2


@tensor_scalars
def l_dog_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    eps = model[6]
    s = tensor[2]
    d = tensor[3]
    sum_1 = tensor[4]
    sum_2 = tensor[5]
    # d <- Max(d, sqrt(sum_1))
    d_new = maximum(d, sqrt(sum_1))
    # s <- sum_2 + s
    s_new = sum_2 + s
    # rate <- lr*d_new/sqrt(eps + s_new)
    rate = lr * d_new / sqrt(eps + s_new)
    tensor[6] = d_new
    tensor[7] = s_new
    tensor[8] = rate


@element_pass
def l_dog_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    rate = float32(tensor[8])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- -g*rate + p
        p_new = p_i - rate * g_i
        p[i] = p_new


@tensor_scalars
def l_dog_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    d_new = tensor[6]
    s_new = tensor[7]
    tensor[3] = d_new
    tensor[2] = s_new
