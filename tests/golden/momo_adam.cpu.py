"""The rule momo_adam over p, g, m, v, in float32, for the CPU.

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
    sqrt,
)


@model_scalars
def momo_adam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    loss = model[11]
    f_bar = model[12]
    t1 = 1.0 - beta1
    # f_bar <- loss*(1 - beta1) + beta1*f_bar
    f_bar_new = t1 * loss + beta1 * f_bar
    # shrink <- lr*weight_decay + 1
    shrink = 1.0 + lr * weight_decay
    # c <- 1 - beta1**step
    c = 1.0 - beta1 ** step
    one_minus_beta1 = t1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    model[17] = f_bar_new
    model[18] = shrink
    model[19] = c
    model[20] = one_minus_beta1
    model[21] = one_minus_beta2
    model[22] = c1


@element_pass
def momo_adam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    one_minus_beta1 = float32(model[20])  # 1 - beta1
    one_minus_beta2 = float32(model[21])  # 1 - beta2
    c1 = float32(model[22])  # 1/(1 - beta2**step)
    sum_1 = 0.0
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # direction <- m_new/(eps + sqrt(v_new/(1 - beta2**step)))
        direction = m_new / (eps + sqrt(c1 * v_new))
        sum_1 = accumulate(sum_1, float64(g_i) * float64(p_i))
        sum_2 = accumulate(sum_2, float64(direction) * float64(m_new))
        sum_3 = accumulate(sum_3, float64(m_new) * float64(p_i))
        m[i] = m_new
        v[i] = v_new
    sums[0] = sum_1
    sums[1] = sum_2
    sums[2] = sum_3


@model_scalars
def momo_adam_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta1 = model[6]
    lower_bound = model[10]
    gamma = model[13]
    sum_1 = model[14]
    sum_2 = model[15]
    sum_3 = model[16]
    f_bar_new = model[17]
    shrink = model[18]
    c = model[19]
    # gamma <- beta1*gamma + sum_1*(1 - beta1)
    gamma_new = sum_1 * (1.0 - beta1) + beta1 * gamma
    # square <- sum_2
    square = sum_2
    # tau <- where(square <= 2.22044604925031e-16, 0, Min(lr/c, Max(..., 0)/square))
    tau = (0.0 if square <= 2.220446049250313e-16 else minimum(lr / c, maximum(sum_3 + shrink * (f_bar_new - gamma_new - lower_bound * c), 0.0) / square))
    c2 = 1.0 / shrink
    model[23] = gamma_new
    model[24] = tau
    model[25] = c2


@element_pass
def momo_adam_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    eps = float32(model[8])
    c1 = float32(model[22])  # 1/(1 - beta2**step)
    tau = float32(model[24])
    c2 = float32(model[25])  # 1/shrink
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        v_new = v[i]
        # direction <- m_new/(eps + sqrt(v_new/(1 - beta2**step)))
        direction = m_new / (eps + sqrt(c1 * v_new))
        # p <- -direction*tau + p/shrink
        p_new = c2 * p_i - tau * direction
        p[i] = p_new


@model_scalars
def momo_adam_scalars_3(model):
    """Scalars of the model, in float64."""
    f_bar_new = model[17]
    gamma_new = model[23]
    model[12] = f_bar_new
    model[13] = gamma_new
