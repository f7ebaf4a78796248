"""The rule dadapt_adamw over p, g, m, v, s, in float32, for the CPU.

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
)


@model_scalars
def dadapt_adamw_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    d = model[11]
    # root <- sqrt(beta2)
    root = sqrt(beta2)
    # a <- lr*d*sqrt(1 - beta2**step)/(1 - beta1**step)
    a = lr * d * sqrt(1.0 - beta2 ** step) / (1.0 - beta1 ** step)
    c1 = a * (1.0 - root)
    c2 = a * (1.0 - beta1)
    one_minus_beta2 = 1.0 - beta2
    c3 = weight_decay * a
    model[15] = root
    model[16] = a
    model[17] = c1
    model[18] = c2
    model[19] = one_minus_beta2
    model[20] = c3


@element_pass
def dadapt_adamw_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, s; writes s, m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    s = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    root = float32(model[15])
    c1 = float32(model[17])  # a*(1 - root)
    c2 = float32(model[18])  # a*(1 - beta1)
    one_minus_beta2 = float32(model[19])  # 1 - beta2
    c3 = float32(model[20])  # weight_decay*a
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        s_i = s[i]
        # s <- g*a*(1 - root) + root*s
        s_new = root * s_i + c1 * g_i
        # m <- g*a*(1 - beta1) + beta1*m
        m_new = beta1 * m_i + c2 * g_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # p <- -weight_decay*a*p - m_new/(eps + sqrt(v_new)) + p
        p_new = p_i - m_new / (eps + sqrt(v_new)) - c3 * p_i
        sum_1 = accumulate(sum_1, float64(g_i * s_i / (eps + sqrt(v_i))))
        sum_2 = accumulate(sum_2, float64(abs(s_new)))
        s[i] = s_new
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def dadapt_adamw_scalars_2(model):
    """Scalars of the model, in float64."""
    d = model[11]
    r = model[12]
    sum_1 = model[13]
    sum_2 = model[14]
    root = model[15]
    a = model[16]
    t1 = 1.0 - root
    # r <- a*sum_1*(1 - root) + root*r
    r_new = root * r + t1 * a * sum_1
    # d_hat <- r_new/(sum_2*(1 - root))
    d_hat = r_new / t1 / sum_2
    # d <- where(sum_2 == 0, d, Max(d, d_hat))
    d_new = (d if sum_2 == 0.0 else maximum(d, d_hat))
    model[12] = r_new
    model[11] = d_new
