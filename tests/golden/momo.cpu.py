"""The rule momo over p, g, m, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    minimum,
    model_scalars,
)


@model_scalars
def momo_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta = model[6]
    weight_decay = model[7]
    loss = model[9]
    f_bar = model[10]
    # beta_t <- where(step > 1, beta, 0)
    beta_t = (beta if step > 1.0 else 0.0)
    t1 = 1.0 - beta_t
    # f_bar <- loss*(1 - beta_t) + beta_t*f_bar
    f_bar_new = t1 * loss + beta_t * f_bar
    # shrink <- lr*weight_decay + 1
    shrink = 1.0 + lr * weight_decay
    c1 = t1
    model[15] = beta_t
    model[16] = f_bar_new
    model[17] = shrink
    model[18] = c1


@element_pass
def momo_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m; writes m."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    beta_t = float32(model[15])
    c1 = float32(model[18])  # 1 - beta_t
    sum_1 = 0.0
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        # m <- g*(1 - beta_t) + beta_t*m
        m_new = c1 * g_i + beta_t * m_i
        sum_1 = accumulate(sum_1, float64(g_i) * float64(p_i))
        sum_2 = accumulate(sum_2, float64(m_new)**2)
        sum_3 = accumulate(sum_3, float64(m_new) * float64(p_i))
        m[i] = m_new
    sums[0] = sum_1
    sums[1] = sum_2
    sums[2] = sum_3


@model_scalars
def momo_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    lower_bound = model[8]
    gamma = model[11]
    sum_1 = model[12]
    sum_2 = model[13]
    sum_3 = model[14]
    beta_t = model[15]
    f_bar_new = model[16]
    shrink = model[17]
    # gamma <- beta_t*gamma + sum_1*(1 - beta_t)
    gamma_new = sum_1 * (1.0 - beta_t) + beta_t * gamma
    # square <- sum_2
    square = sum_2
    # tau <- where(square <= 2.22044604925031e-16, 0, Min(lr, Max(..., 0)/square))
    tau = (0.0 if square <= 2.220446049250313e-16 else minimum(lr, maximum(sum_3 + shrink * (f_bar_new - lower_bound - gamma_new), 0.0) / square))
    c2 = 1.0 / shrink
    model[19] = gamma_new
    model[20] = tau
    model[21] = c2


@element_pass
def momo_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    tau = float32(model[20])
    c2 = float32(model[21])  # 1/shrink
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        # p <- -tau*m_new + p/shrink
        p_new = c2 * p_i - tau * m_new
        p[i] = p_new


@model_scalars
def momo_scalars_3(model):
    """Scalars of the model, in float64."""
    f_bar_new = model[16]
    gamma_new = model[19]
    model[10] = f_bar_new
    model[11] = gamma_new
