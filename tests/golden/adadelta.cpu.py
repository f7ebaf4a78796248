"""The rule adadelta over p, g, v, u, in float32, for the CPU.

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
def adadelta_scalars_1(model):
    """Scalars of the model, in float64."""
    rho = model[6]
    one_minus_rho = 1.0 - rho
    model[9] = one_minus_rho


@element_pass
def adadelta_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, v, u; writes v, u, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[2], start, count)
    u = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    rho = float32(model[6])
    eps = float32(model[7])
    weight_decay = float32(model[8])
    one_minus_rho = float32(model[9])  # 1 - rho
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        v_i = v[i]
        u_i = u[i]
        t1 = g_i + weight_decay * p_i
        # v <- rho*v + (1 - rho)*(g + weight_decay*p)**2
        v_new = one_minus_rho * t1**2 + rho * v_i
        # delta <- (g + weight_decay*p)*sqrt(eps + u)/sqrt(eps + v_new)
        delta = t1 * sqrt(u_i + eps) / sqrt(v_new + eps)
        # u <- rho*u + delta**2*(1 - rho)
        u_new = one_minus_rho * delta**2 + rho * u_i
        # p <- -lr*delta + p
        p_new = p_i - lr * delta
        v[i] = v_new
        u[i] = u_new
        p[i] = p_new
