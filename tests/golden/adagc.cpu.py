"""The rule adagc over p, g, m, v, in float32, for the CPU.

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
def adagc_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
        sum_2 = accumulate(sum_2, float64(g_i)**2)
    sums[0] = sum_1
    sums[1] = sum_2


@model_scalars
def adagc_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[7]
    beta2 = model[8]
    eps = model[9]
    lambda_abs = model[11]
    sum_1 = model[14]
    # together <- Min(1, Max(lambda_abs, 0)/(eps + sqrt(sum_1)))
    together = minimum(1.0, maximum(lambda_abs, 0.0) / (eps + sqrt(sum_1)))
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 / (1.0 - beta2 ** step)
    c3 = 1.0 / (1.0 - beta1 ** step)
    model[15] = together
    model[16] = one_minus_beta2
    model[17] = c2
    model[18] = c3


@tensor_scalars
def adagc_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta = model[6]
    beta1 = model[7]
    eps = model[9]
    lambda_rel = model[12]
    warmup_steps = model[13]
    together = model[15]
    gamma = tensor[2]
    sum_2 = tensor[3]
    t1 = sqrt(sum_2)
    # gamma_old <- where(step == 1, sqrt(sum_2), gamma)
    gamma_old = (t1 if step == 1.0 else gamma)
    # h <- where((step == 1) | (step < warmup_steps), together, Min(1, ...*...*...))
    h = (together if (step == 1.0) or (step < warmup_steps) else minimum(1.0, maximum(lambda_rel, 0.0) * maximum(gamma_old, eps) / maximum(t1, eps)))
    # gamma <- where((step == 1) | (step < warmup_steps), Min(gamma_old, ...), ... + ...)
    gamma_new = (minimum(gamma_old, t1 * h) if (step == 1.0) or (step < warmup_steps) else beta * gamma_old + t1 * h * (1.0 - beta))
    c1 = h * (1.0 - beta1)
    tensor[4] = h
    tensor[5] = gamma_new
    tensor[6] = c1


@element_pass
def adagc_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    beta1 = float32(model[7])
    beta2 = float32(model[8])
    eps = float32(model[9])
    weight_decay = float32(model[10])
    one_minus_beta2 = float32(model[16])  # 1 - beta2
    c2 = float32(model[17])  # 1/(1 - beta2**step)
    c3 = float32(model[18])  # 1/(1 - beta1**step)
    h = float32(tensor[4])
    c1 = float32(tensor[6])  # h*(1 - beta1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*h*(1 - beta1) + beta1*m
        m_new = beta1 * m_i + c1 * g_i
        # v <- beta2*v + (g*h)**2*(1 - beta2)
        v_new = one_minus_beta2 * (h * g_i)**2 + beta2 * v_i
        # p <- -lr*(weight_decay*p + m_new/((1 - beta1**step)*(eps + sqrt(v_new/(1 - beta2**step))))) + p
        p_new = p_i - lr * (weight_decay * p_i + c3 * m_new / (eps + sqrt(c2 * v_new)))
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@tensor_scalars
def adagc_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    gamma_new = tensor[5]
    tensor[2] = gamma_new
