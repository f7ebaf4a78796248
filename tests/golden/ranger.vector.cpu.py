"""The rule ranger over p, g, m, v, slow, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
)


@model_scalars
def ranger_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    threshold = model[11]
    t1 = 1.0 - beta2
    t2 = 2.0 / t1
    t3 = beta2 ** step
    t4 = 1.0 - t3
    # rho <- -2*step*beta2**step/(1 - beta2**step) - 1 + 2/(1 - beta2)
    rho = t2 - 1.0 - 2.0 * t3 * step / t4
    # rectification <- where(rho >= threshold, sqrt(...*...*...*...*...*...)*sqrt(... + 1), 0)
    rectification = (sqrt((t2 - 1.0) * (rho - 4.0) * (rho - 2.0) / rho / (t2 - 5.0) / (t2 - 3.0)) * sqrt(t4) if rho >= threshold else 0.0)
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = t1
    c1 = 1.0 - lr * weight_decay
    c2 = (1.0 if rectification > 0.0 else 0.0)
    c3 = lr / (1.0 - beta1 ** step)
    c4 = (1.0 if step % 6.0 == 0.0 else 0.0)
    model[12] = rectification
    model[13] = one_minus_beta1
    model[14] = one_minus_beta2
    model[15] = c1
    model[16] = c2
    model[17] = c3
    model[18] = c4


@element_pass
def ranger_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, slow; writes m, v, slow, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    slow = float32_array(arrays[4], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    alpha = float32(model[10])
    rectification = float32(model[12])
    one_minus_beta1 = float32(model[13])  # 1 - beta1
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c1 = float32(model[15])  # -lr*weight_decay + 1
    c2 = float32(model[16])  # where(rectification > 0, 1, 0)
    c3 = float32(model[17])  # lr/(1 - beta1**step)
    c4 = float32(model[18])  # where(Mod(step, 6) == 0, 1, 0)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        slow_i = slow[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # fast <- -lr*m_new*where(rectification > 0, ..., 1)/... + p*(... + 1)
        fast = c1 * p_i - c3 * m_new * (rectification / (eps + sqrt(v_new)) if c2 > float32(0.0) else float32(1.0))
        # slow <- where(Mod(step, 6) == 0, alpha*(fast - slow) + slow, slow)
        slow_new = (slow_i + alpha * (fast - slow_i) if c4 > float32(0.0) else slow_i)
        # p <- where(Mod(step, 6) == 0, slow_new, fast)
        p_new = (slow_new if c4 > float32(0.0) else fast)
        m[i] = m_new
        v[i] = v_new
        slow[i] = slow_new
        p[i] = p_new
