"""The rule cautious_adam over p, g, m, v, in float32, for the CPU.

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
def cautious_adam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = lr / (1.0 - beta1 ** step)
    model[11] = one_minus_beta1
    model[12] = one_minus_beta2
    model[13] = c1
    model[14] = c2


@element_pass
def cautious_adam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[11])  # 1 - beta1
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c1 = float32(model[13])  # 1/(1 - beta2**step)
    c2 = float32(model[14])  # lr/(1 - beta1**step)
    sum_1 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * t1**2 + beta2 * v_i
        # adam_update <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
        adam_update = -c2 * m_new / (eps + sqrt(c1 * v_new))
        # mask <- where(g*adam_update < 0, 1, 0)
        mask = (float32(1.0) if g_i * adam_update < float32(0.0) else float32(0.0))
        sum_1 = accumulate(sum_1, float64(mask))
        m[i] = m_new
        v[i] = v_new
    sums[0] = sum_1


@model_scalars
def cautious_adam_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    decoupled_decay = model[10]
    c4 = decoupled_decay * lr
    model[15] = c4


@tensor_scalars
def cautious_adam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    size = tensor[0]
    sum_1 = tensor[2]
    c3 = 1.0 / maximum(sum_1 / size, 0.001)
    tensor[3] = c3


@element_pass
def cautious_adam_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    eps = float32(model[8])
    c1 = float32(model[13])  # 1/(1 - beta2**step)
    c2 = float32(model[14])  # lr/(1 - beta1**step)
    c4 = float32(model[15])  # decoupled_decay*lr
    c3 = float32(tensor[3])  # 1/Max(sum_1/size, 0.001)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_new = m[i]
        v_new = v[i]
        # adam_update <- -lr*m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
        adam_update = -c2 * m_new / (eps + sqrt(c1 * v_new))
        # mask <- where(g*adam_update < 0, 1, 0)
        mask = (float32(1.0) if g_i * adam_update < float32(0.0) else float32(0.0))
        # cautious_update <- adam_update*mask/Max(sum_1/size, 0.001)
        cautious_update = c3 * adam_update * mask
        # p <- -decoupled_decay*lr*p + cautious_update + p
        p_new = cautious_update + p_i - c4 * p_i
        p[i] = p_new
