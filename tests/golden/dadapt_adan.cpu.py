"""The rule dadapt_adan over p, g, m, u, v, s, last, in float32, for the CPU.

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
    minimum,
    model_scalars,
    sqrt,
)


@model_scalars
def dadapt_adan_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    beta3 = model[8]
    weight_decay = model[10]
    d = model[13]
    # a <- lr*d
    a = lr * d
    c1 = a * (1.0 - beta1)
    c2 = a * (1.0 - beta2)
    t1 = 1.0 - beta3
    one_minus_beta3 = t1
    c3 = t1 * a
    c4 = 1.0 / (1.0 + weight_decay * a)
    model[18] = a
    model[19] = c1
    model[20] = c2
    model[21] = one_minus_beta3
    model[22] = c3
    model[23] = c4


@element_pass
def dadapt_adan_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, u, v, s, last; writes m, u, v, s, p, last."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    u = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    s = float32_array(arrays[5], start, count)
    last = float32_array(arrays[6], start, count)
    step = float32(model[0])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    beta3 = float32(model[8])
    eps = float32(model[9])
    c1 = float32(model[19])  # a*(1 - beta1)
    c2 = float32(model[20])  # a*(1 - beta2)
    one_minus_beta3 = float32(model[21])  # 1 - beta3
    c3 = float32(model[22])  # a*(1 - beta3)
    c4 = float32(model[23])  # 1/(weight_decay*a + 1)
    sum_1 = 0.0
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        u_i = u[i]
        v_i = v[i]
        s_i = s[i]
        last_i = last[i]
        # last_old <- where(step == 1, g, last)
        last_old = (g_i if step == float32(1.0) else last_i)
        # m <- g*a*(1 - beta1) + beta1*m
        m_new = beta1 * m_i + c1 * g_i
        t2 = g_i - last_old
        # u <- beta2*u + a*(1 - beta2)*(g - last_old)
        u_new = beta2 * u_i + c2 * t2
        # v <- beta3*v + (1 - beta3)*(g + beta2*(g - last_old))**2
        v_new = one_minus_beta3 * (g_i + beta2 * t2)**2 + beta3 * v_i
        # s <- g*a*(1 - beta3) + beta3*s
        s_new = beta3 * s_i + c3 * g_i
        # root <- eps + sqrt(v_new)
        root = eps + sqrt(v_new)
        t3 = float32(1.0) / root
        # p <- (p - (beta2*u_new + m_new)/root)/(weight_decay*a + 1)
        p_new = c4 * (p_i - t3 * (m_new + beta2 * u_new))
        # last <- g
        last_new = g_i
        sum_1 = accumulate(sum_1, float64(t3) * float64(g_i)**2)
        sum_2 = accumulate(sum_2, float64(abs(s_new)))
        sum_3 = accumulate(sum_3, float64(t3) * float64(s_new)**2)
        m[i] = m_new
        u[i] = u_new
        v[i] = v_new
        s[i] = s_new
        p[i] = p_new
        last[i] = last_new
    sums[0] = sum_1
    sums[1] = sum_2
    sums[2] = sum_3


@model_scalars
def dadapt_adan_scalars_2(model):
    """Scalars of the model, in float64."""
    beta3 = model[8]
    growth_rate = model[12]
    d = model[13]
    q = model[14]
    sum_1 = model[15]
    sum_2 = model[16]
    sum_3 = model[17]
    a = model[18]
    t4 = 1.0 - beta3
    # q <- beta3*q + a**2*sum_1*(1 - beta3)
    q_new = beta3 * q + t4 * sum_1 * a**2
    # d_hat <- (sum_3/(1 - beta3) - q_new)/sum_2
    d_hat = (sum_3 / t4 - q_new) / sum_2
    # d <- where(sum_2 == 0, d, Max(d, Min(d_hat, growth_rate*d)))
    d_new = (d if sum_2 == 0.0 else maximum(d, minimum(d_hat, growth_rate * d)))
    model[14] = q_new
    model[13] = d_new
