"""The rule accumulate_adam over p, g, accumulated, m, v, in float32, for the CPU.

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
def accumulate_adam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    accumulate_updates = model[10]
    t1 = (1.0 if step % 4.0 == 0.0 else 0.0)
    # accumulate_acts <- where(Mod(step, 4) == 0, 1, 0)
    accumulate_acts = t1
    # accumulate_step <- accumulate_updates + 1
    accumulate_step = accumulate_updates + 1.0
    # accumulate_updates <- accumulate_acts + accumulate_updates
    accumulate_updates_new = accumulate_acts + accumulate_updates
    c1 = t1
    c2 = (1.0 if accumulate_acts > 0.0 else 0.0)
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c3 = 1.0 / (1.0 - beta2 ** accumulate_step)
    c4 = lr / (1.0 - beta1 ** accumulate_step)
    model[11] = accumulate_updates_new
    model[12] = c1
    model[13] = c2
    model[14] = one_minus_beta1
    model[15] = one_minus_beta2
    model[16] = c3
    model[17] = c4


@element_pass
def accumulate_adam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, accumulated, m, v; writes accumulated, m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    accumulated = float32_array(arrays[2], start, count)
    m = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    c1 = float32(model[12])  # where(Mod(step, 4) == 0, 1, 0)
    c2 = float32(model[13])  # where(accumulate_acts > 0, 1, 0)
    one_minus_beta1 = float32(model[14])  # 1 - beta1
    one_minus_beta2 = float32(model[15])  # 1 - beta2
    c3 = float32(model[16])  # 1/(1 - beta2**accumulate_step)
    c4 = float32(model[17])  # lr/(1 - beta1**accumulate_step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        accumulated_i = accumulated[i]
        m_i = m[i]
        v_i = v[i]
        # accumulated <- where(Mod(step, 4) == 0, 0, g + accumulated)
        accumulated_new = (float32(0.0) if c1 > float32(0.0) else g_i + accumulated_i)
        # g_accumulate <- g/4 + accumulated/4
        g_accumulate = float32(0.25) * g_i + float32(0.25) * accumulated_i
        t2 = g_accumulate + weight_decay * p_i
        # m <- where(accumulate_acts > 0, beta1*m + (1 - beta1)*(g_accumulate + weight_decay*p), m)
        m_new = (one_minus_beta1 * t2 + beta1 * m_i if c2 > float32(0.0) else m_i)
        # v <- where(accumulate_acts > 0, beta2*v + (1 - beta2)*(g_accumulate + weight_decay*p)**2, v)
        v_new = (one_minus_beta2 * t2**2 + beta2 * v_i if c2 > float32(0.0) else v_i)
        # p <- where(accumulate_acts > 0, -lr*m_new/(...*...) + p, p)
        p_new = (p_i - c4 * m_new / (eps + sqrt(c3 * v_new)) if c2 > float32(0.0) else p_i)
        accumulated[i] = accumulated_new
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@model_scalars
def accumulate_adam_scalars_2(model):
    """Scalars of the model, in float64."""
    accumulate_updates_new = model[11]
    model[10] = accumulate_updates_new
