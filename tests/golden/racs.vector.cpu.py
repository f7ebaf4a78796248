"""The rule racs over p, g, s, in float32, for the CPU.

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
def racs_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
    sums[0] = sum_1


@model_scalars
def racs_scalars_2(model):
    """Scalars of the model, in float64."""
    beta = model[6]
    one_minus_beta = 1.0 - beta
    model[11] = one_minus_beta


@tensor_scalars
def racs_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta = model[6]
    eps = model[9]
    size = tensor[0]
    q = tensor[4]
    sum_1 = tensor[5]
    # q <- beta*q + sum_1*(1 - beta)/size
    q_new = beta * q + sum_1 * (1.0 - beta) / size
    c1 = 1.0 / sqrt(eps + q_new)
    tensor[7] = q_new
    tensor[8] = c1


@element_pass
def racs_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, s; writes s."""
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[2], start, count)
    beta = float32(model[6])
    eps = float32(model[9])
    one_minus_beta = float32(model[11])  # 1 - beta
    c1 = float32(tensor[8])  # 1/sqrt(eps + q_new)
    sum_2 = 0.0
    for i in range(count):
        g_i = g[i]
        s_i = s[i]
        # s <- g**2*(1 - beta) + beta*s
        s_new = one_minus_beta * g_i**2 + beta * s_i
        # u <- g/(sqrt(eps + q_new)*sqrt(eps + s_new))
        u = c1 * g_i / sqrt(s_new + eps)
        sum_2 = accumulate(sum_2, float64(u)**2)
        s[i] = s_new
    sums[1] = sum_2


@model_scalars
def racs_scalars_3(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[10]
    c2 = 1.0 - lr * weight_decay
    model[12] = c2


@tensor_scalars
def racs_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    alpha = model[7]
    gamma = model[8]
    eps = model[9]
    theta = tensor[3]
    sum_2 = tensor[6]
    t1 = eps + theta
    t2 = sqrt(sum_2)
    t3 = maximum(gamma, 0.0)
    # c <- where((step == 1) | (sqrt(sum_2)/(eps + theta) <= Max(gamma, 0)), 1, ...*...*...)
    c = (1.0 if (step == 1.0) or (t2 / t1 <= t3) else t1 * t3 / sqrt(sum_2))
    # theta <- c*sqrt(sum_2)
    theta_new = t2 * c
    c3 = alpha * lr * c
    tensor[9] = theta_new
    tensor[10] = c3


@element_pass
def racs_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, s; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[2], start, count)
    eps = float32(model[9])
    c2 = float32(model[12])  # -lr*weight_decay + 1
    c1 = float32(tensor[8])  # 1/sqrt(eps + q_new)
    c3 = float32(tensor[10])  # alpha*lr*c
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        s_new = s[i]
        # u <- g/(sqrt(eps + q_new)*sqrt(eps + s_new))
        u = c1 * g_i / sqrt(s_new + eps)
        # p <- -alpha*lr*c*u + p*(-lr*weight_decay + 1)
        p_new = c2 * p_i - c3 * u
        p[i] = p_new


@tensor_scalars
def racs_tensor_scalars_4(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    q_new = tensor[7]
    theta_new = tensor[9]
    tensor[4] = q_new
    tensor[3] = theta_new
