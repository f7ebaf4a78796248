"""The rule adopt over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    minimum,
    model_scalars,
    sqrt,
)


@model_scalars
def adopt_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    # limit <- (step - 1)**(1/4)
    limit = sqrt(sqrt(step - 1.0))
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    model[9] = limit
    model[10] = one_minus_beta1
    model[11] = one_minus_beta2


@element_pass
def adopt_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, p, v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    limit = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- beta1*m + (1 - beta1)*Min(Max(g/Max(sqrt(v), eps), -limit), limit)
        m_new = one_minus_beta1 * minimum(maximum(g_i / maximum(sqrt(v_i), eps), -limit), limit) + beta1 * m_i
        # p <- -lr*m_new + p
        p_new = p_i - lr * m_new
        t1 = g_i**2
        # v <- where(step > 1, g**2*(1 - beta2) + beta2*v, g**2)
        v_new = (one_minus_beta2 * t1 + beta2 * v_i if step > float32(1.0) else t1)
        m[i] = m_new
        p[i] = p_new
        v[i] = v_new
