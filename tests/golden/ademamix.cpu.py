"""The rule ademamix over p, g, m1, m2, v, in float32, for the CPU.

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
def ademamix_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    beta3 = model[8]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta3 = 1.0 - beta3
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = 1.0 / (1.0 - beta1 ** step)
    model[12] = one_minus_beta1
    model[13] = one_minus_beta3
    model[14] = one_minus_beta2
    model[15] = c1
    model[16] = c2


@element_pass
def ademamix_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m1, m2, v; writes m1, m2, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m1 = float32_array(arrays[2], start, count)
    m2 = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    beta3 = float32(model[8])
    alpha = float32(model[9])
    eps = float32(model[10])
    weight_decay = float32(model[11])
    one_minus_beta1 = float32(model[12])  # 1 - beta1
    one_minus_beta3 = float32(model[13])  # 1 - beta3
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c1 = float32(model[15])  # 1/(1 - beta2**step)
    c2 = float32(model[16])  # 1/(1 - beta1**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m1_i = m1[i]
        m2_i = m2[i]
        v_i = v[i]
        # m1 <- g*(1 - beta1) + beta1*m1
        m1_new = one_minus_beta1 * g_i + beta1 * m1_i
        # m2 <- g*(1 - beta3) + beta3*m2
        m2_new = one_minus_beta3 * g_i + beta3 * m2_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # p <- -lr*(weight_decay*p + ...*...) + p
        p_new = p_i - lr * ((c2 * m1_new + alpha * m2_new) / (eps + sqrt(c1 * v_new)) + weight_decay * p_i)
        m1[i] = m1_new
        m2[i] = m2_new
        v[i] = v_new
        p[i] = p_new
