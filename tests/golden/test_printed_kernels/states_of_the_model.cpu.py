"""The rule prodigy over p, g, m, v, s, p0, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate,
    accumulate_times,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
)


@model_scalars
def prodigy_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    d0 = model[10]
    d = model[12]
    # a <- lr*d*sqrt(1 - beta2**step)/(1 - beta1**step)
    a = lr * d * sqrt(1.0 - beta2 ** step) / (1.0 - beta1 ** step)
    c1 = sqrt(beta2)
    c2 = a * d / d0
    model[16] = a
    model[17] = c1
    model[18] = c2


@element_pass
def prodigy_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, s, p0; writes s."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[4], start, count)
    p0 = float32_array(arrays[5], start, count)
    c1 = float32(model[17])  # sqrt(beta2)
    c2 = float32(model[18])  # a*d/d0
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        s_i = s[i]
        p0_i = p0[i]
        # s <- g*a*d/d0 + sqrt(beta2)*s
        s_new = c1 * s_i + c2 * g_i
        sum_1 = accumulate_times(sum_1, float64(g_i), float64(p0_i - p_i))
        sum_2 = accumulate(sum_2, float64(abs(s_new)))
        s[i] = s_new
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def prodigy_scalars_2(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    beta2 = model[7]
    eps = model[8]
    d0 = model[10]
    d_coef = model[11]
    d = model[12]
    r = model[13]
    sum_1 = model[14]
    sum_2 = model[15]
    a = model[16]
    # r <- sqrt(beta2)*r + a*d*sum_1/d0
    r_new = r * sqrt(beta2) + a * d * sum_1 / d0
    # d_hat <- d_coef*r_new/sum_2
    d_hat = d_coef * r_new / sum_2
    # d <- where(sum_2 == 0, d, Max(d, d_hat))
    d_new = (d if sum_2 == 0.0 else maximum(d, d_hat))
    c3 = d * (1.0 - beta1)
    one_minus_beta2 = 1.0 - beta2
    c4 = eps * d_new
    model[19] = r_new
    model[20] = d_new
    model[21] = c3
    model[22] = one_minus_beta2
    model[23] = c4


@element_pass
def prodigy_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    weight_decay = float32(model[9])
    d = float32(model[12])
    a = float32(model[16])
    c3 = float32(model[21])  # d*(1 - beta1)
    one_minus_beta2 = float32(model[22])  # 1 - beta2
    c4 = float32(model[23])  # eps*d_new
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*d*(1 - beta1) + beta1*m
        m_new = beta1 * m_i + c3 * g_i
        # v <- beta2*v + (g*d)**2*(1 - beta2)
        v_new = one_minus_beta2 * (d * g_i)**2 + beta2 * v_i
        # p <- -a*(weight_decay*p + m_new/(eps*d_new + sqrt(v_new))) + p
        p_new = p_i - a * (m_new / (c4 + sqrt(v_new)) + weight_decay * p_i)
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@model_scalars
def prodigy_scalars_3(model):
    """Scalars of the model, in float64."""
    r_new = model[19]
    d_new = model[20]
    model[13] = r_new
    model[12] = d_new
