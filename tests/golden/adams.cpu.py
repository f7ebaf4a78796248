"""The rule adams over p, g, m, v, in float32, for the CPU.

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
def adams_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    model[11] = one_minus_beta1
    model[12] = one_minus_beta2
    model[13] = c1


@element_pass
def adams_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m, v; writes m, v."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    one_minus_beta1 = float32(model[11])  # 1 - beta1
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c1 = float32(model[13])  # 1/(1 - beta2**step)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        sum_1 = accumulate(sum_1, float64(c1) * float64(v_new))
        m[i] = m_new
        v[i] = v_new
    sums[0] = sum_1


@model_scalars
def adams_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    model_size = model[3]
    beta1 = model[6]
    eps = model[8]
    weight_decay = model[9]
    sum_1 = model[10]
    # decay <- weight_decay/(eps + sqrt(sum_1/model_size))
    decay = weight_decay / (eps + sqrt(sum_1 / model_size))
    c2 = 1.0 / (1.0 - beta1 ** step)
    model[14] = decay
    model[15] = c2


@element_pass
def adams_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    eps = float32(model[8])
    c1 = float32(model[13])  # 1/(1 - beta2**step)
    decay = float32(model[14])
    c2 = float32(model[15])  # 1/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        v_new = v[i]
        # p <- -lr*(decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))) + p
        p_new = p_i - lr * (decay * p_i + c2 * m_new / (eps + sqrt(c1 * v_new)))
        p[i] = p_new
