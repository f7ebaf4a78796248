"""The rule lamb over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def lamb_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    c2 = 1.0 / (1.0 - beta1 ** step)
    model[10] = one_minus_beta1
    model[11] = one_minus_beta2
    model[12] = c1
    model[13] = c2


@element_pass
def lamb_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    c2 = float32(model[13])  # 1/(1 - beta1**step)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(1 - beta1) + beta1*m
        m_new = one_minus_beta1 * g_i + beta1 * m_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # u <- weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
        u = weight_decay * p_i + c2 * m_new / (eps + sqrt(c1 * v_new))
        sum_1 = accumulate_square(sum_1, float64(p_i))
        sum_2 = accumulate_square(sum_2, float64(u))
        m[i] = m_new
        v[i] = v_new
    sums[0] = sum_1
    sums[1] = sum_2


@tensor_scalars
def lamb_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    sum_1 = tensor[2]
    sum_2 = tensor[3]
    t1 = sqrt(sum_1)
    # trust <- where((sqrt(sum_1) == 0) | (sqrt(sum_2) == 0), 1, sqrt(sum_1)/sqrt(sum_2))
    trust = (1.0 if (t1 == 0.0) or (sqrt(sum_2) == 0.0) else t1 / sqrt(sum_2))
    c3 = lr * trust
    tensor[4] = c3


@element_pass
def lamb_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    eps = float32(model[8])
    weight_decay = float32(model[9])
    c1 = float32(model[12])  # 1/(1 - beta2**step)
    c2 = float32(model[13])  # 1/(1 - beta1**step)
    c3 = float32(tensor[4])  # lr*trust
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        v_new = v[i]
        # u <- weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
        u = weight_decay * p_i + c2 * m_new / (eps + sqrt(c1 * v_new))
        # p <- -lr*trust*u + p
        p_new = p_i - c3 * u
        p[i] = p_new
