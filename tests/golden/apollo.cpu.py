"""The rule apollo over p, g, m, B, d, in float32, for the CPU.

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
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def apollo_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta = model[6]
    c1 = (1.0 - beta) / (1.0 - beta ** step)
    model[10] = c1


@element_pass
def apollo_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, B, d; writes m."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    B = float32_array(arrays[3], start, count)
    d = float32_array(arrays[4], start, count)
    weight_decay = float32(model[9])
    c1 = float32(model[10])  # (1 - beta)/(1 - beta**step)
    sum_1 = 0.0
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        B_i = B[i]
        d_i = d[i]
        # y <- (1 - beta)*(g + weight_decay*p - m)/(1 - beta**step)
        y = c1 * (g_i + weight_decay * p_i - m_i)
        # m <- y + m
        m_new = y + m_i
        # square <- d**2
        square = d_i**2
        sum_1 = accumulate(sum_1, float64(square)**2)
        sum_2 = accumulate(sum_2, float64(square) * float64(B_i))
        sum_3 = accumulate(sum_3, float64(y) * float64(d_i))
        m[i] = m_new
    sums[0] = sum_1
    sums[1] = sum_2
    sums[2] = sum_3


@tensor_scalars
def apollo_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    eps = model[7]
    rebound = model[8]
    sum_1 = tensor[2]
    sum_2 = tensor[3]
    sum_3 = tensor[4]
    # d_norm <- eps/rebound + sum_1**(1/4)
    d_norm = sqrt(sqrt(sum_1)) + eps / rebound
    # change <- (sum_2 + sum_3)/d_norm**2
    change = (sum_2 + sum_3) / d_norm**2
    c2 = 1.0 / d_norm
    tensor[5] = change
    tensor[6] = c2


@element_pass
def apollo_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m, B, d; writes B, d, p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    B = float32_array(arrays[3], start, count)
    d = float32_array(arrays[4], start, count)
    lr = float32(model[5])
    rebound = float32(model[8])
    change = float32(tensor[5])
    c2 = float32(tensor[6])  # 1/d_norm
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        B_i = B[i]
        d_i = d[i]
        # B <- -change*(d/d_norm)**2 + B
        B_new = B_i - change * (c2 * d_i)**2
        # d <- m_new/Max(Abs(B_new), rebound)
        d_new = m_new / maximum(abs(B_new), rebound)
        # p <- -lr*d_new + p
        p_new = p_i - lr * d_new
        B[i] = B_new
        d[i] = d_new
        p[i] = p_new
