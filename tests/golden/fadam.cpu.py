"""The rule fadam over p, g, m, f, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    minimum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@element_pass
def fadam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
    sums[0] = sum_1


@model_scalars
def fadam_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta2 = model[7]
    t1 = 1.0 / (1.0 - beta2 ** step)
    t2 = 1.0 - beta2 ** (step - 1.0)
    c1 = 1.0 - t1 * t2 * beta2
    c2 = t1 * t2 * beta2
    model[12] = c1
    model[13] = c2


@tensor_scalars
def fadam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    eps = model[8]
    eps2 = model[9]
    size = tensor[0]
    sum_1 = tensor[2]
    # rms <- sqrt(sum_1)/sqrt(size)
    rms = sqrt(sum_1) / sqrt(size)
    # eps_hat <- where(rms > 0, Min(eps, eps2*rms), eps)
    eps_hat = (minimum(eps, eps2 * rms) if rms > 0.0 else eps)
    tensor[5] = eps_hat


@element_pass
def fadam_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, f; writes f."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    f = float32_array(arrays[3], start, count)
    c1 = float32(model[12])  # -beta2*(1 - beta2**(step - 1))/(1 - beta2**step) + 1
    c2 = float32(model[13])  # beta2*(1 - beta2**(step - 1))/(1 - beta2**step)
    eps_hat = float32(tensor[5])
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        f_i = f[i]
        # f <- g**2*(-beta2*...*... + 1) + beta2*f*(1 - ...)/(... + 1)
        f_new = c1 * g_i**2 + c2 * f_i
        # divisor <- eps_hat + sqrt(f_new)
        divisor = eps_hat + sqrt(f_new)
        t3 = float32(1.0) / divisor
        # natural <- g/divisor
        natural = t3 * g_i
        # decay <- p/divisor
        decay = t3 * p_i
        sum_2 = accumulate(sum_2, float64(natural)**2)
        sum_3 = accumulate(sum_3, float64(decay)**2)
        f[i] = f_new
    sums[1] = sum_2
    sums[2] = sum_3


@tensor_scalars
def fadam_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta1 = model[6]
    clip = model[10]
    weight_decay = model[11]
    size = tensor[0]
    sum_2 = tensor[3]
    sum_3 = tensor[4]
    t4 = 1.0 / clip
    t5 = 1.0 / sqrt(size)
    # n_clip <- Max(1, sqrt(sum_2)/(clip*sqrt(size)))
    n_clip = maximum(1.0, t4 * t5 * sqrt(sum_2))
    # w_clip <- Max(1, sqrt(sum_3)/(clip*sqrt(size)))
    w_clip = maximum(1.0, t4 * t5 * sqrt(sum_3))
    c3 = (1.0 - beta1) / n_clip
    c4 = weight_decay / w_clip
    tensor[6] = c3
    tensor[7] = c4


@element_pass
def fadam_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, f; writes m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    f = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    eps_hat = float32(tensor[5])
    c3 = float32(tensor[6])  # (1 - beta1)/n_clip
    c4 = float32(tensor[7])  # weight_decay/w_clip
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        f_new = f[i]
        # divisor <- eps_hat + sqrt(f_new)
        divisor = eps_hat + sqrt(f_new)
        t6 = float32(1.0) / divisor
        # natural <- g/divisor
        natural = t6 * g_i
        # decay <- p/divisor
        decay = t6 * p_i
        # m <- beta1*m + natural*(1 - beta1)/n_clip
        m_new = beta1 * m_i + c3 * natural
        # p <- -lr*(weight_decay*decay/w_clip + m_new) + p
        p_new = p_i - lr * (m_new + c4 * decay)
        m[i] = m_new
        p[i] = p_new
