"""The rule muon_optax over p, g, m, v, in float32, for the CPU.

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
def muon_optax_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[9]
    beta2 = model[10]
    t1 = 1.0 - beta1
    one_minus_beta1 = t1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = beta1 / (1.0 - beta1 ** (step + 1.0))
    c3 = t1 / (1.0 - beta1 ** step)
    model[12] = one_minus_beta1
    model[13] = one_minus_beta2
    model[14] = c1
    model[15] = c2
    model[16] = c3


@element_pass
def muon_optax_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    eps = float32(model[8])
    beta1 = float32(model[9])
    beta2 = float32(model[10])
    adamw_weight_decay = float32(model[11])
    one_minus_beta1 = float32(model[12])  # 1 - beta1
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    c1 = float32(model[14])  # 1/(1 - beta2**step)
    c2 = float32(model[15])  # beta1/(1 - beta1**(step + 1))
    c3 = float32(model[16])  # (1 - beta1)/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # p <- -lr*(adamw_weight_decay*p + ...*...) + p
        p_new = p_i - lr * ((c2 * m_new + c3 * g_i) / (eps + sqrt(c1 * v_new)) + adamw_weight_decay * p_i)
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
