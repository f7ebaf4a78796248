"""The rule avagrad over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    model_scalars,
    sqrt,
)


@model_scalars
def avagrad_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    gamma = model[10]
    # correction <- where(step > 1, 1 - beta2**(step - 1), 1)
    correction = (1.0 - beta2 ** (step - 1.0) if step > 1.0 else 1.0)
    # scale <- lr*gamma/(1 - beta1**step)
    scale = lr * gamma / (1.0 - beta1 ** step)
    one_minus_beta1 = 1.0 - beta1
    c1 = 1.0 / correction
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta2 ** step)
    model[12] = scale
    model[13] = one_minus_beta1
    model[14] = c1
    model[15] = one_minus_beta2
    model[16] = c2


@element_pass
def avagrad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, p, v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    step = float32(model[0])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    scale = float32(model[12])
    one_minus_beta1 = float32(model[13])  # 1 - beta1
    c1 = float32(model[14])  # 1/correction
    one_minus_beta2 = float32(model[15])  # 1 - beta2
    c2 = float32(model[16])  # 1/(1 - beta2**step)
    sum_1 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        # p <- where(step > 1, -scale*m_new/(eps + sqrt(v/correction)) + p, p)
        p_new = (p_i - scale * m_new / (eps + sqrt(c1 * v_i)) if step > float32(1.0) else p_i)
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * t1**2 + beta2 * v_i
        sum_1 = accumulate(sum_1, float64(float32(1.0) / (eps + sqrt(c2 * v_new))**2))
        m[i] = m_new
        p[i] = p_new
        v[i] = v_new
    sums[0] = sum_1


@model_scalars
def avagrad_scalars_2(model):
    """Scalars of the model, in float64."""
    model_size = model[3]
    sum_1 = model[11]
    # gamma <- 1/sqrt(sum_1/model_size)
    gamma_new = 1.0 / sqrt(sum_1 / model_size)
    model[10] = gamma_new
