"""The rule optimistic_adam_v2 over p, g, m, v, u_last, in float32, for the CPU.

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
def optimistic_adam_v2_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    alpha = model[6]
    beta = model[7]
    beta1 = model[8]
    beta2 = model[9]
    t1 = 1.0 - beta1
    one_minus_beta1 = t1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = beta1 / (1.0 - beta1 ** (step + 1.0))
    c3 = t1 / (1.0 - beta1 ** step)
    c4 = alpha + beta
    model[11] = one_minus_beta1
    model[12] = one_minus_beta2
    model[13] = c1
    model[14] = c2
    model[15] = c3
    model[16] = c4


@element_pass
def optimistic_adam_v2_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, u_last; writes m, v, p, u_last."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    u_last = float32_array(arrays[4], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta = float32(model[7])
    beta1 = float32(model[8])
    beta2 = float32(model[9])
    eps = float32(model[10])
    one_minus_beta1 = float32(model[11])  # 1 - beta1
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c1 = float32(model[13])  # 1/(1 - beta2**step)
    c2 = float32(model[14])  # beta1/(1 - beta1**(step + 1))
    c3 = float32(model[15])  # (1 - beta1)/(1 - beta1**step)
    c4 = float32(model[16])  # alpha + beta
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        u_last_i = u_last[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # u <- (g*(... + 1)/... + beta1*m_new/...)/(eps + sqrt(...))
        u = (c2 * m_new + c3 * g_i) / (eps + sqrt(c1 * v_new))
        # p <- -lr*(-beta*where(step == 1, u, u_last) + u*(alpha + beta)) + p
        p_new = p_i - lr * (c4 * u - beta * (u if step == float32(1.0) else u_last_i))
        # u_last <- u
        u_last_new = u
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
        u_last[i] = u_last_new
