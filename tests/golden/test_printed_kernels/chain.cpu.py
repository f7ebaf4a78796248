"""The rule clipped_ema over p, g, m, v, average, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
)


@element_pass
def clipped_ema_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate_square(sum_1, float64(g_i))
    sums[0] = sum_1


@model_scalars
def clipped_ema_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    max_norm = model[5]
    beta1 = model[7]
    beta2 = model[8]
    decay = model[11]
    sum_1 = model[12]
    t1 = maximum(max_norm, 0.0)
    c1 = (1.0 if sqrt(sum_1) <= t1 else t1 / sqrt(sum_1))
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta2 ** step)
    c3 = 1.0 / (1.0 - beta1 ** step)
    one_minus_decay = 1.0 - decay
    model[13] = c1
    model[14] = one_minus_beta1
    model[15] = one_minus_beta2
    model[16] = c2
    model[17] = c3
    model[18] = one_minus_decay


@element_pass
def clipped_ema_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, average; writes m, v, p, average."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    average = float32_array(arrays[4], start, count)
    lr = float32(model[6])
    beta1 = float32(model[7])
    beta2 = float32(model[8])
    eps = float32(model[9])
    weight_decay = float32(model[10])
    decay = float32(model[11])
    c1 = float32(model[13])  # where(sqrt(sum_1) <= Max(max_norm, 0), 1, Max(max_norm, 0)/sqrt(sum_1))
    one_minus_beta1 = float32(model[14])  # 1 - beta1
    one_minus_beta2 = float32(model[15])  # 1 - beta2
    c2 = float32(model[16])  # 1/(1 - beta2**step)
    c3 = float32(model[17])  # 1/(1 - beta1**step)
    one_minus_decay = float32(model[18])  # 1 - decay
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        average_i = average[i]
        # g_clip_by_global_norm <- g*where(sqrt(sum_1) <= Max(max_norm, 0), 1, Max(max_norm, 0)/sqrt(sum_1))
        g_clip_by_global_norm = c1 * g_i
        # m <- g_clip_by_global_norm*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_clip_by_global_norm + beta1 * m_i
        # v <- g_clip_by_global_norm**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_clip_by_global_norm**2 + beta2 * v_i
        # p <- -lr*(weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))) + p
        p_new = p_i - lr * (weight_decay * p_i + c3 * m_new / (eps + sqrt(c2 * v_new)))
        # average <- decay*average + p_new*(1 - decay)
        average_new = one_minus_decay * p_new + decay * average_i
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
        average[i] = average_new
