"""The rule adabound over p, g, m, v, in float32, for the CPU.

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
    tensor_scalars,
)


@model_scalars
def adabound_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[11]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 - lr * weight_decay
    c2 = lr * sqrt(1.0 - beta2 ** step) / (1.0 - beta1 ** step)
    model[12] = one_minus_beta1
    model[13] = one_minus_beta2
    model[14] = c1
    model[15] = c2


@tensor_scalars
def adabound_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    final_lr = model[8]
    gamma = model[9]
    first_lr = tensor[2]
    peak_lr = tensor[3]
    # peak_lr <- where(first_lr == 0, Max(peak_lr, lr), peak_lr)
    peak_lr_new = (maximum(peak_lr, lr) if first_lr == 0.0 else peak_lr)
    # base_lr <- where(first_lr == 0, peak_lr_new, first_lr)
    base_lr = (peak_lr_new if first_lr == 0.0 else first_lr)
    # final <- where(base_lr == 0, 0, final_lr*lr/base_lr)
    final = (0.0 if base_lr == 0.0 else final_lr * lr / base_lr)
    c3 = final * (1.0 - 1.0 / (1.0 + step * gamma))
    c4 = final * (1.0 + 1.0 / step / gamma)
    tensor[4] = peak_lr_new
    tensor[5] = c3
    tensor[6] = c4


@element_pass
def adabound_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[10])
    one_minus_beta1 = float32(model[12])  # 1 - beta1
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    c1 = float32(model[14])  # -lr*weight_decay + 1
    c2 = float32(model[15])  # lr*sqrt(1 - beta2**step)/(1 - beta1**step)
    c3 = float32(tensor[5])  # final*(1 - 1/(step*gamma + 1))
    c4 = float32(tensor[6])  # final*(1 + 1/(step*gamma))
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # p <- -m_new*Min(Max(..., ...), final*...) + p*(-lr*weight_decay + 1)
        p_new = c1 * p_i - m_new * minimum(maximum(c2 / (eps + sqrt(v_new)), c3), c4)
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@tensor_scalars
def adabound_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    peak_lr_new = tensor[4]
    tensor[3] = peak_lr_new
