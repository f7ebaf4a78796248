"""The rule qhadam over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def qhadam_scalars_1(model):
    """Scalars of the model, in float64."""
    nu1 = model[8]
    nu2 = model[9]
    one_minus_nu2 = 1.0 - nu2
    one_minus_nu1 = 1.0 - nu1
    model[12] = one_minus_nu2
    model[13] = one_minus_nu1


@tensor_scalars
def qhadam_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta1 = model[6]
    beta2 = model[7]
    w1 = tensor[2]
    w2 = tensor[3]
    # w1 <- beta1*w1 + 1
    w1_new = 1.0 + beta1 * w1
    # w2 <- beta2*w2 + 1
    w2_new = 1.0 + beta2 * w2
    t1 = 1.0 / w1_new
    c1 = t1
    c2 = 1.0 - t1
    t2 = 1.0 / w2_new
    c3 = t2
    c4 = 1.0 - t2
    tensor[4] = w1_new
    tensor[5] = w2_new
    tensor[6] = c1
    tensor[7] = c2
    tensor[8] = c3
    tensor[9] = c4


@element_pass
def qhadam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    nu1 = float32(model[8])
    nu2 = float32(model[9])
    eps = float32(model[10])
    weight_decay = float32(model[11])
    one_minus_nu2 = float32(model[12])  # 1 - nu2
    one_minus_nu1 = float32(model[13])  # 1 - nu1
    c1 = float32(tensor[6])  # 1/w1_new
    c2 = float32(tensor[7])  # 1 - 1/w1_new
    c3 = float32(tensor[8])  # 1/w2_new
    c4 = float32(tensor[9])  # 1 - 1/w2_new
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # decayed <- g + weight_decay*p
        decayed = g_i + weight_decay * p_i
        # m <- decayed/w1_new + m*(1 - 1/w1_new)
        m_new = c1 * decayed + c2 * m_i
        t3 = decayed**2
        # v <- decayed**2/w2_new + v*(1 - 1/w2_new)
        v_new = c3 * t3 + c4 * v_i
        # p <- -lr*(nu1*m_new + decayed*(1 - nu1))/(eps + sqrt(nu2*v_new + decayed**2*(1 - nu2))) + p
        p_new = p_i - lr * (one_minus_nu1 * decayed + nu1 * m_new) / (eps + sqrt(one_minus_nu2 * t3 + nu2 * v_new))
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@tensor_scalars
def qhadam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    w1_new = tensor[4]
    w2_new = tensor[5]
    tensor[2] = w1_new
    tensor[3] = w2_new
