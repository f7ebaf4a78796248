"""The rule msvag over p, g, m, v, in float32, for the CPU.

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
def msvag_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta = model[6]
    t1 = beta ** step
    t2 = 1.0 / (1.0 - t1)
    t3 = 1.0 - beta
    # rho <- Min((1 - beta)*(beta**step + 1)/((1 - beta**step)*(beta + 1)), 0.9999)
    rho = minimum(t2 * t3 * (t1 + 1.0) / (beta + 1.0), 0.9999)
    # scale <- where(step == 1, 0, rho/(1 - rho))
    scale = (0.0 if step == 1.0 else rho / (1.0 - rho))
    one_minus_beta = t3
    c1 = t2
    model[7] = scale
    model[8] = one_minus_beta
    model[9] = c1


@element_pass
def msvag_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    beta = float32(model[6])
    scale = float32(model[7])
    one_minus_beta = float32(model[8])  # 1 - beta
    c1 = float32(model[9])  # 1/(1 - beta**step)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta) + beta*m
        m_new = one_minus_beta * g_i + beta * m_i
        # m_hat <- m_new/(1 - beta**step)
        m_hat = c1 * m_new
        # v <- g**2*(1 - beta) + beta*v
        v_new = one_minus_beta * g_i**2 + beta * v_i
        # square <- m_hat**2
        square = m_hat**2
        # ratio <- square/(scale*(-square + v_new/(1 - beta**step)) + square)
        ratio = square / (square + scale * (c1 * v_new - square))
        # p <- -lr*m_hat*where(square == 0, 0, Min(Max(ratio, 0), 1)) + p
        p_new = p_i - lr * m_hat * (float32(0.0) if square == float32(0.0) else minimum(maximum(ratio, float32(0.0)), float32(1.0)))
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new
