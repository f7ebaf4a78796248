"""The rule mars_lion over p, g, m, previous, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sign,
    sqrt,
    tensor_scalars,
)


@model_scalars
def mars_lion_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    gamma = model[8]
    c1 = beta1 * gamma / (1.0 - beta1)
    model[11] = c1


@element_pass
def mars_lion_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, previous; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    previous = float32_array(arrays[3], start, count)
    step = float32(model[0])
    c1 = float32(model[11])  # beta1*gamma/(1 - beta1)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        previous_i = previous[i]
        # previous_old <- where(step == 1, g, previous)
        previous_old = (g_i if step == float32(1.0) else previous_i)
        # c <- g + beta1*gamma*(g - previous_old)/(1 - beta1)
        c = g_i + c1 * (g_i - previous_old)
        sum_1 = accumulate(sum_1, float64(c)**2)
    sums[0] = sum_1


@tensor_scalars
def mars_lion_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta1 = model[6]
    sum_1 = tensor[4]
    # c_norm <- Max(1, sqrt(sum_1))
    c_norm = maximum(1.0, sqrt(sum_1))
    c2 = (1.0 - beta1) / c_norm
    tensor[5] = c2


@element_pass
def mars_lion_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, previous; writes m, p, previous."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    previous = float32_array(arrays[3], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta1 = float32(model[6])
    weight_decay = float32(model[10])
    c1 = float32(model[11])  # beta1*gamma/(1 - beta1)
    c2 = float32(tensor[5])  # (1 - beta1)/c_norm
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        previous_i = previous[i]
        # previous_old <- where(step == 1, g, previous)
        previous_old = (g_i if step == float32(1.0) else previous_i)
        # c <- g + beta1*gamma*(g - previous_old)/(1 - beta1)
        c = g_i + c1 * (g_i - previous_old)
        # m <- beta1*m + c*(1 - beta1)/c_norm
        m_new = beta1 * m_i + c2 * c
        # p <- -lr*(weight_decay*p + sign(m_new)) + p
        p_new = p_i - lr * (weight_decay * p_i + sign(m_new))
        # previous <- g
        previous_new = g_i
        m[i] = m_new
        p[i] = p_new
        previous[i] = previous_new
