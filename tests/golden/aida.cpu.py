"""The rule aida over p, g, m, s, in float32, for the CPU.

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
    tensor_scalars,
)


@model_scalars
def aida_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    model[11] = one_minus_beta1


@element_pass
def aida_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m; writes m."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    beta1 = float32(model[6])
    weight_decay = float32(model[10])
    one_minus_beta1 = float32(model[11])  # 1 - beta1
    sum_1 = 0.0
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        sum_1 = accumulate(sum_1, float64(t1)**2)
        sum_2 = accumulate(sum_2, float64(t1) * float64(m_new))
        sum_3 = accumulate(sum_3, float64(m_new)**2)
        m[i] = m_new
    sums[0] = sum_1
    sums[1] = sum_2
    sums[2] = sum_3


@model_scalars
def aida_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta2 = 1.0 - beta2
    c1 = lr * sqrt(1.0 - beta2 ** step) / (1.0 - beta1 ** step)
    model[12] = one_minus_beta2
    model[13] = c1


@tensor_scalars
def aida_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    xi = model[8]
    sum_1 = tensor[2]
    sum_2 = tensor[3]
    sum_3 = tensor[4]
    # g_scale1 <- sum_2/(xi + sum_1)
    g_scale1 = sum_2 / (xi + sum_1)
    # m_scale1 <- sum_2/(xi + sum_3)
    m_scale1 = sum_2 / (xi + sum_3)
    t2 = g_scale1**2
    # g_scale2 <- g_scale1**2*m_scale1*sum_2/(xi + g_scale1**2*sum_1)
    g_scale2 = t2 * m_scale1 * sum_2 / (xi + t2 * sum_1)
    t3 = m_scale1**2
    # m_scale2 <- g_scale1*m_scale1**2*sum_2/(xi + m_scale1**2*sum_3)
    m_scale2 = t3 * g_scale1 * sum_2 / (xi + t3 * sum_3)
    tensor[5] = g_scale2
    tensor[6] = m_scale2


@element_pass
def aida_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, s; writes s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    beta2 = float32(model[7])
    eps = float32(model[9])
    weight_decay = float32(model[10])
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c1 = float32(model[13])  # lr*sqrt(1 - beta2**step)/(1 - beta1**step)
    g_scale2 = float32(tensor[5])
    m_scale2 = float32(tensor[6])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_new = m[i]
        s_i = s[i]
        # s <- beta2*s + eps + (1 - beta2)*(-g_scale2*(g + weight_decay*p) + m_scale2*m_new)**2
        s_new = eps + one_minus_beta2 * (m_scale2 * m_new - g_scale2 * (g_i + weight_decay * p_i))**2 + beta2 * s_i
        # p <- -lr*m_new*sqrt(1 - beta2**step)/((1 - beta1**step)*(eps + sqrt(s_new))) + p
        p_new = p_i - c1 * m_new / (eps + sqrt(s_new))
        s[i] = s_new
        p[i] = p_new
