"""The rule dadapt_lion over p, g, m, s, in float32, for the CPU.

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
    sign,
    sqrt,
)


@model_scalars
def dadapt_lion_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[8]
    d = model[10]
    # root <- sqrt(beta2)
    root = sqrt(beta2)
    # a <- lr*d
    a = lr * d
    one_minus_beta1 = 1.0 - beta1
    c1 = 1.0 - weight_decay * a
    c2 = a * (1.0 - beta2)
    c3 = a * (1.0 - root)
    model[14] = root
    model[15] = a
    model[16] = one_minus_beta1
    model[17] = c1
    model[18] = c2
    model[19] = c3


@element_pass
def dadapt_lion_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, s; writes p, m, s."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    root = float32(model[14])
    a = float32(model[15])
    one_minus_beta1 = float32(model[16])  # 1 - beta1
    c1 = float32(model[17])  # -weight_decay*a + 1
    c2 = float32(model[18])  # a*(1 - beta2)
    c3 = float32(model[19])  # a*(1 - root)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        s_i = s[i]
        # u <- sign(g*(1 - beta1) + beta1*m)
        u = sign(one_minus_beta1 * g_i + beta1 * m_i)
        # p <- -a*u + p*(-weight_decay*a + 1)
        p_new = c1 * p_i - a * u
        # m <- g*a*(1 - beta2) + beta2*m
        m_new = beta2 * m_i + c2 * g_i
        # s <- a*u*(1 - root) + root*s
        s_new = root * s_i + c3 * u
        sum_1 = accumulate(sum_1, float64(u) * float64(s_i))
        sum_2 = accumulate(sum_2, float64(abs(s_new)))
        p[i] = p_new
        m[i] = m_new
        s[i] = s_new
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def dadapt_lion_scalars_2(model):
    """Scalars of the model, in float64."""
    d = model[10]
    n = model[11]
    sum_1 = model[12]
    sum_2 = model[13]
    root = model[14]
    a = model[15]
    t1 = 1.0 - root
    # n <- a*sum_1*(1 - root) + root*n
    n_new = root * n + t1 * a * sum_1
    # d_hat <- n_new/(sum_2*(1 - root))
    d_hat = n_new / t1 / sum_2
    # d <- where(sum_2 == 0, d, Max(d, d_hat))
    d_new = (d if sum_2 == 0.0 else maximum(d, d_hat))
    model[11] = n_new
    model[10] = d_new
