"""The rule cautious_adamw over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
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
def cautious_adamw_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    model[10] = one_minus_beta1


@element_pass
def cautious_adamw_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes m."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    beta1 = float32(model[6])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        sum_1 = accumulate(sum_1, float64((float32(1.0) if g_i * m_new > float32(0.0) else float32(0.0))))
        m[i] = m_new
    sums[0] = sum_1


@model_scalars
def cautious_adamw_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta2 = model[7]
    weight_decay = model[9]
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 - lr * weight_decay
    c2 = 1.0 / (1.0 - beta2 ** step)
    model[11] = one_minus_beta2
    model[12] = c1
    model[13] = c2


@tensor_scalars
def cautious_adamw_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    size = tensor[0]
    sum_1 = tensor[2]
    # share <- Max(sum_1/size, 0.001)
    share = maximum(sum_1 / size, 0.001)
    c3 = lr / share / (1.0 - beta1 ** step)
    tensor[3] = c3


@element_pass
def cautious_adamw_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta2 = float32(model[7])
    eps = float32(model[8])
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # -lr*weight_decay + 1
    c2 = float32(model[13])  # 1/(1 - beta2**step)
    c3 = float32(tensor[3])  # lr/(share*(1 - beta1**step))
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_new = m[i]
        v_i = v[i]
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # p <- p*(-lr*weight_decay + 1) + mul of 7 parts
        p_new = c1 * p_i - c3 * m_new * (float32(1.0) if g_i * m_new > float32(0.0) else float32(0.0)) / (eps + sqrt(c2 * v_new))
        v[i] = v_new
        p[i] = p_new
