"""The rule scion over p, g, m, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def scion_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    one_minus_momentum = 1.0 - momentum
    model[10] = one_minus_momentum


@element_pass
def scion_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes m."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    momentum = float32(model[6])
    one_minus_momentum = float32(model[10])  # 1 - momentum
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        # m <- g*momentum + m*(1 - momentum)
        m_new = one_minus_momentum * m_i + momentum * g_i
        sum_1 = accumulate(sum_1, float64(m_new)**2)
        m[i] = m_new
    sums[0] = sum_1


@tensor_scalars
def scion_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    scale = model[8]
    eps = model[9]
    size = tensor[0]
    sum_1 = tensor[3]
    c1 = scale / (eps + sqrt(sum_1) / sqrt(size))
    tensor[4] = c1


@element_pass
def scion_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    weight_decay = float32(model[7])
    c1 = float32(tensor[4])  # scale/(eps + sqrt(sum_1)/sqrt(size))
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        # p <- -lr*(scale*m_new/(eps + sqrt(sum_1)/sqrt(size)) + weight_decay*p) + p
        p_new = p_i - lr * (weight_decay * p_i + c1 * m_new)
        p[i] = p_new
