"""The rule adam_mini over p, g, m, in float32, for the CPU.

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
def adam_mini_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    model[10] = one_minus_beta1


@element_pass
def adam_mini_pass_1(arrays, model, tensor, start, grad_start, count, sums):
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
        sum_1 = accumulate(sum_1, float64(g_i)**2)
        m[i] = m_new
    sums[0] = sum_1


@model_scalars
def adam_mini_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[9]
    c1 = 1.0 - lr * weight_decay
    model[11] = c1


@tensor_scalars
def adam_mini_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    eps = model[8]
    size = tensor[0]
    v = tensor[3]
    sum_1 = tensor[4]
    # v <- beta2*v + sum_1*(1 - beta2)/size
    v_new = beta2 * v + sum_1 * (1.0 - beta2) / size
    c2 = lr / (1.0 - beta1 ** step) / (eps + sqrt(v_new / (1.0 - beta2 ** step)))
    tensor[5] = v_new
    tensor[6] = c2


@element_pass
def adam_mini_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    c1 = float32(model[11])  # -lr*weight_decay + 1
    c2 = float32(tensor[6])  # lr/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        # p <- -lr*m_new/((eps + ...)*(... + 1)) + p*(-lr*weight_decay + 1)
        p_new = c1 * p_i - c2 * m_new
        p[i] = p_new


@tensor_scalars
def adam_mini_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    v_new = tensor[5]
    tensor[3] = v_new
