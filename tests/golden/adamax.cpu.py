"""The rule adamax over p, g, m, u, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    float32,
    float32_array,
    maximum,
    model_scalars,
)


@model_scalars
def adamax_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    c1 = lr / (1.0 - beta1 ** step)
    model[10] = one_minus_beta1
    model[11] = c1


@element_pass
def adamax_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, u; writes m, u, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    u = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    c1 = float32(model[11])  # lr/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        u_i = u[i]
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        # u <- Max(beta2*u, eps + Abs(g + weight_decay*p))
        u_new = maximum(beta2 * u_i, eps + abs(t1))
        # p <- -lr*m_new/(u_new*(1 - beta1**step)) + p
        p_new = p_i - c1 * m_new / u_new
        m[i] = m_new
        u[i] = u_new
        p[i] = p_new
