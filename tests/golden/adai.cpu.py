"""The rule adai over p, g, m, v, weight, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    minimum,
    model_scalars,
)


@model_scalars
def adai_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta2 = model[7]
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    model[11] = one_minus_beta2
    model[12] = c1


@element_pass
def adai_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v; writes v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[3], start, count)
    beta2 = float32(model[7])
    weight_decay = float32(model[9])
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    sum_1 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * (g_i + weight_decay * p_i)**2 + beta2 * v_i
        sum_1 = accumulate(sum_1, float64(c1) * float64(v_new))
        v[i] = v_new
    sums[0] = sum_1


@model_scalars
def adai_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    model_size = model[3]
    beta0 = model[6]
    beta2 = model[7]
    sum_1 = model[10]
    # scale <- where(sum_1/model_size == 0, 0, model_size*beta0/sum_1)
    scale = (0.0 if sum_1 / model_size == 0.0 else model_size * beta0 / sum_1)
    c2 = scale / (1.0 - beta2 ** step)
    model[13] = c2


@element_pass
def adai_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, weight; writes m, weight, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    weight = float32_array(arrays[4], start, count)
    lr = float32(model[5])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    c2 = float32(model[13])  # scale/(1 - beta2**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_new = v[i]
        weight_i = weight[i]
        # share <- Min(Max(scale*v_new/(1 - beta2**step), eps), 1)
        share = minimum(maximum(c2 * v_new, eps), float32(1.0))
        t1 = float32(1.0) - share
        # m <- share*(g + weight_decay*p) + m*(1 - share)
        m_new = t1 * m_i + share * (g_i + weight_decay * p_i)
        # weight <- share + weight*(1 - share)
        weight_new = share + t1 * weight_i
        # p <- -lr*m_new/weight_new + p
        p_new = p_i - lr * m_new / weight_new
        m[i] = m_new
        weight[i] = weight_new
        p[i] = p_new
