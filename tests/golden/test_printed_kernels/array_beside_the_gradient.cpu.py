"""The rule sophia over p, g, hessian_diag, m, h, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    minimum,
    model_scalars,
)


@model_scalars
def sophia_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    clip_threshold = model[9]
    one_minus_beta1 = 1.0 - beta1
    c1 = (1.0 if (step - 1.0) % 10.0 == 0.0 else 0.0)
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta1 ** step)
    c3 = maximum(clip_threshold, 0.0)
    model[12] = one_minus_beta1
    model[13] = c1
    model[14] = one_minus_beta2
    model[15] = c2
    model[16] = c3


@element_pass
def sophia_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, hessian_diag, m, h; writes m, h, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    hessian_diag = float32_array(arrays[2], start, count)
    m = float32_array(arrays[3], start, count)
    h = float32_array(arrays[4], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    gamma = float32(model[8])
    eps = float32(model[10])
    weight_decay = float32(model[11])
    one_minus_beta1 = float32(model[12])  # 1 - beta1
    c1 = float32(model[13])  # where(Mod(step - 1, 10) == 0, 1, 0)
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c2 = float32(model[15])  # 1/(1 - beta1**step)
    c3 = float32(model[16])  # Max(clip_threshold, 0)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        hessian_diag_i = hessian_diag[i]
        m_i = m[i]
        h_i = h[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # h <- where(Mod(step - 1, 10) == 0, hessian_diag*(1 - beta2) + beta2*h, h)
        h_new = (one_minus_beta2 * hessian_diag_i + beta2 * h_i if c1 > float32(0.0) else h_i)
        # p <- -lr*(weight_decay*p + Min(..., ...)) + p
        p_new = p_i - lr * (weight_decay * p_i + minimum(maximum(c2 * m_new / maximum(gamma * h_i, eps), -c3), c3))
        m[i] = m_new
        h[i] = h_new
        p[i] = p_new
