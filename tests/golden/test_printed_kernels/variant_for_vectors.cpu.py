"""The rule came over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def came_scalars_1(model):
    """Scalars of the model, in float64."""
    beta2 = model[7]
    one_minus_beta2 = 1.0 - beta2
    model[13] = one_minus_beta2


@element_pass
def came_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, v; writes v."""
    g = float32_array(arrays[1], grad_start, count)
    v = float32_array(arrays[3], start, count)
    beta2 = float32(model[7])
    eps1 = float32(model[9])
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        v_i = v[i]
        # v <- beta2*v + (1 - beta2)*(g**2 + eps1)
        v_new = one_minus_beta2 * (eps1 + g_i**2) + beta2 * v_i
        # u <- g/sqrt(v_new)
        u = g_i / sqrt(v_new)
        sum_1 = accumulate_square(sum_1, float64(u))
        v[i] = v_new
    sums[0] = sum_1


@model_scalars
def came_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta1 = model[6]
    weight_decay = model[12]
    one_minus_beta1 = 1.0 - beta1
    c2 = 1.0 - lr * weight_decay
    model[14] = one_minus_beta1
    model[15] = c2


@tensor_scalars
def came_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    clip_threshold = model[11]
    size = tensor[0]
    sum_1 = tensor[3]
    c1 = 1.0 / maximum(1.0, sqrt(sum_1) / clip_threshold / sqrt(size))
    tensor[4] = c1


@element_pass
def came_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    one_minus_beta1 = float32(model[14])  # 1 - beta1
    c2 = float32(model[15])  # -lr*weight_decay + 1
    c1 = float32(tensor[4])  # 1/Max(1, sqrt(sum_1)/(clip_threshold*sqrt(size)))
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_new = v[i]
        # u <- g/sqrt(v_new)
        u = g_i / sqrt(v_new)
        # clipped <- u/Max(1, sqrt(sum_1)/(clip_threshold*sqrt(size)))
        clipped = c1 * u
        # m <- beta1*m + clipped*(1 - beta1)
        m_new = one_minus_beta1 * clipped + beta1 * m_i
        # p <- -lr*m_new + p*(-lr*weight_decay + 1)
        p_new = c2 * p_i - lr * m_new
        m[i] = m_new
        p[i] = p_new
