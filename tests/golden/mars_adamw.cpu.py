"""The rule mars_adamw over p, g, previous, m, v, in float32, for the CPU.

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
    sqrt,
    tensor_scalars,
)


@model_scalars
def mars_adamw_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    gamma = model[8]
    c1 = beta1 * gamma / (1.0 - beta1)
    model[11] = c1


@element_pass
def mars_adamw_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, previous; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    previous = float32_array(arrays[2], start, count)
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


@model_scalars
def mars_adamw_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta2 = 1.0 - beta2
    c4 = 1.0 / (1.0 - beta2 ** step)
    c5 = 1.0 / (1.0 - beta1 ** step)
    model[12] = one_minus_beta2
    model[13] = c4
    model[14] = c5


@tensor_scalars
def mars_adamw_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta1 = model[6]
    sum_1 = tensor[4]
    # c_norm <- Max(1, sqrt(sum_1))
    c_norm = maximum(1.0, sqrt(sum_1))
    t1 = 1.0 / c_norm
    c2 = t1 * (1.0 - beta1)
    c3 = t1
    tensor[5] = c2
    tensor[6] = c3


@element_pass
def mars_adamw_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, previous, m, v; writes m, v, p, previous."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    previous = float32_array(arrays[2], start, count)
    m = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[9])
    weight_decay = float32(model[10])
    c1 = float32(model[11])  # beta1*gamma/(1 - beta1)
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c4 = float32(model[13])  # 1/(1 - beta2**step)
    c5 = float32(model[14])  # 1/(1 - beta1**step)
    c2 = float32(tensor[5])  # (1 - beta1)/c_norm
    c3 = float32(tensor[6])  # 1/c_norm
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        previous_i = previous[i]
        m_i = m[i]
        v_i = v[i]
        # previous_old <- where(step == 1, g, previous)
        previous_old = (g_i if step == float32(1.0) else previous_i)
        # c <- g + beta1*gamma*(g - previous_old)/(1 - beta1)
        c = g_i + c1 * (g_i - previous_old)
        # m <- beta1*m + c*(1 - beta1)/c_norm
        m_new = beta1 * m_i + c2 * c
        # v <- beta2*v + (c/c_norm)**2*(1 - beta2)
        v_new = one_minus_beta2 * (c3 * c)**2 + beta2 * v_i
        # p <- -lr*(weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))) + p
        p_new = p_i - lr * (weight_decay * p_i + c5 * m_new / (eps + sqrt(c4 * v_new)))
        # previous <- g
        previous_new = g_i
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
        previous[i] = previous_new
