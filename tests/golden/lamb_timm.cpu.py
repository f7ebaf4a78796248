"""The rule lamb_timm over p, g, m, v, in float32, for the CPU.

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


@element_pass
def lamb_timm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes nothing."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
        sum_2 = accumulate(sum_2, float64(p_i)**2)
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def lamb_timm_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    max_norm = model[10]
    sum_1 = model[11]
    # clip <- 1/Max(1, sqrt(sum_1)/max_norm)
    clip = 1.0 / maximum(1.0, sqrt(sum_1) / max_norm)
    c1 = clip * (1.0 - beta1)
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta2 ** step)
    c3 = 1.0 / (1.0 - beta1 ** step)
    model[12] = clip
    model[13] = c1
    model[14] = one_minus_beta2
    model[15] = c2
    model[16] = c3


@element_pass
def lamb_timm_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    clip = float32(model[12])
    c1 = float32(model[13])  # clip*(1 - beta1)
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c2 = float32(model[15])  # 1/(1 - beta2**step)
    c3 = float32(model[16])  # 1/(1 - beta1**step)
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*clip*(1 - beta1) + beta1*m
        m_new = beta1 * m_i + c1 * g_i
        # v <- beta2*v + (g*clip)**2*(1 - beta2)
        v_new = one_minus_beta2 * (clip * g_i)**2 + beta2 * v_i
        # u <- weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
        u = weight_decay * p_i + c3 * m_new / (eps + sqrt(c2 * v_new))
        sum_3 = accumulate(sum_3, float64(u)**2)
        m[i] = m_new
        v[i] = v_new
    sums[2] = sum_3


@tensor_scalars
def lamb_timm_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    weight_decay = model[9]
    sum_2 = tensor[2]
    sum_3 = tensor[3]
    t1 = sqrt(sum_2)
    # trust <- where(weight_decay == 0, 1, where((sqrt(sum_2) == 0) | (sqrt(sum_3) == 0), 1, ...*...))
    trust = (1.0 if weight_decay == 0.0 else (1.0 if (t1 == 0.0) or (sqrt(sum_3) == 0.0) else t1 / sqrt(sum_3)))
    c4 = lr * trust
    tensor[4] = c4


@element_pass
def lamb_timm_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    eps = float32(model[8])
    weight_decay = float32(model[9])
    c2 = float32(model[15])  # 1/(1 - beta2**step)
    c3 = float32(model[16])  # 1/(1 - beta1**step)
    c4 = float32(tensor[4])  # lr*trust
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        v_new = v[i]
        # u <- weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))
        u = weight_decay * p_i + c3 * m_new / (eps + sqrt(c2 * v_new))
        # p <- -lr*trust*u + p
        p_new = p_i - c4 * u
        p[i] = p_new
