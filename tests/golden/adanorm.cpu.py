"""The rule adanorm over p, g, m, v, in float32, for the CPU.

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


@element_pass
def adanorm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
    sums[0] = sum_1


@model_scalars
def adanorm_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[10]
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 - lr * weight_decay
    c3 = 1.0 / (1.0 - beta2 ** step)
    c4 = lr / (1.0 - beta1 ** step)
    model[11] = one_minus_beta2
    model[12] = c2
    model[13] = c3
    model[14] = c4


@tensor_scalars
def adanorm_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta1 = model[6]
    rho = model[8]
    e = tensor[2]
    sum_1 = tensor[3]
    t1 = sqrt(sum_1)
    # e <- rho*e + sqrt(sum_1)*(1 - rho)
    e_new = t1 * (1.0 - rho) + rho * e
    # scale <- where((sqrt(sum_1) > 0) & (e_new > sqrt(sum_1)), e_new/sqrt(sum_1), 1)
    scale = (e_new / sqrt(sum_1) if (t1 > 0.0) and (e_new > t1) else 1.0)
    c1 = scale * (1.0 - beta1)
    tensor[4] = e_new
    tensor[5] = c1


@element_pass
def adanorm_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[9])
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    c2 = float32(model[12])  # -lr*weight_decay + 1
    c3 = float32(model[13])  # 1/(1 - beta2**step)
    c4 = float32(model[14])  # lr/(1 - beta1**step)
    c1 = float32(tensor[5])  # scale*(1 - beta1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*scale*(1 - beta1) + beta1*m
        m_new = beta1 * m_i + c1 * g_i
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # p <- -lr*m_new/((eps + ...)*(... + 1)) + p*(-lr*weight_decay + 1)
        p_new = c2 * p_i - c4 * m_new / (eps + sqrt(c3 * v_new))
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@tensor_scalars
def adanorm_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    e_new = tensor[4]
    tensor[2] = e_new
