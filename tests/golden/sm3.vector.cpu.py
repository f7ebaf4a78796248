"""The rule sm3 over p, g, m, v0, in float32, for the CPU.

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
def sm3_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    one_minus_momentum = 1.0 - momentum
    model[8] = one_minus_momentum


@element_pass
def sm3_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v0; writes m, p, v0."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v0 = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    eps = float32(model[7])
    one_minus_momentum = float32(model[8])  # 1 - momentum
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v0_i = v0[i]
        # nu <- g**2 + v0
        nu = v0_i + g_i**2
        # m <- momentum*m + (1 - momentum)*where(nu > 0, g/sqrt(eps + nu), 0)
        m_new = one_minus_momentum * (g_i / sqrt(nu + eps) if nu > float32(0.0) else float32(0.0)) + momentum * m_i
        # p <- -lr*m_new + p
        p_new = p_i - lr * m_new
        # v0 <- nu
        v0_new = nu
        m[i] = m_new
        p[i] = p_new
        v0[i] = v0_new
