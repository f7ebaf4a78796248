"""The rule laprop over p, g, m, v, in float32, for the CPU.

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
def laprop_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    one_minus_beta2 = 1.0 - beta2
    c2 = lr * (1.0 - beta1)
    c3 = 1.0 - lr * weight_decay
    model[10] = one_minus_beta2
    model[11] = c2
    model[12] = c3


@tensor_scalars
def laprop_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    lr_mean = tensor[2]
    weight = tensor[3]
    # lr_mean <- beta1*lr_mean + lr*(1 - beta1)
    lr_mean_new = lr * (1.0 - beta1) + beta1 * lr_mean
    # weight <- beta2*weight - beta2 + 1
    weight_new = 1.0 + beta2 * weight - beta2
    # rate <- where(lr == 0, 0, lr/lr_mean_new)
    rate = (0.0 if lr == 0.0 else lr / lr_mean_new)
    c1 = 1.0 / weight_new
    tensor[4] = lr_mean_new
    tensor[5] = weight_new
    tensor[6] = rate
    tensor[7] = c1


@element_pass
def laprop_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes v, m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    one_minus_beta2 = float32(model[10])  # 1 - beta2
    c2 = float32(model[11])  # lr*(1 - beta1)
    c3 = float32(model[12])  # -lr*weight_decay + 1
    rate = float32(tensor[6])
    c1 = float32(tensor[7])  # 1/weight_new
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # m <- g*lr*(1 - beta1)/(eps + sqrt(v_new/weight_new)) + beta1*m
        m_new = beta1 * m_i + c2 * g_i / (eps + sqrt(c1 * v_new))
        # p <- (-lr*weight_decay + 1)*(-rate*m_new + p)
        p_new = c3 * (p_i - rate * m_new)
        v[i] = v_new
        m[i] = m_new
        p[i] = p_new


@tensor_scalars
def laprop_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr_mean_new = tensor[4]
    weight_new = tensor[5]
    tensor[2] = lr_mean_new
    tensor[3] = weight_new
