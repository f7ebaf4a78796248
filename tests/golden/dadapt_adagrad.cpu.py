"""The rule dadapt_adagrad over p, g, alpha, s, p0, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    minimum,
    model_scalars,
    sqrt,
)


@model_scalars
def dadapt_adagrad_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    momentum = model[6]
    d = model[11]
    # a <- lr*d
    a = lr * d
    one_minus_momentum = 1.0 - momentum
    model[16] = a
    model[17] = one_minus_momentum


@element_pass
def dadapt_adagrad_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, alpha, s, p0; writes alpha, s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    alpha = float32_array(arrays[2], start, count)
    s = float32_array(arrays[3], start, count)
    p0 = float32_array(arrays[4], start, count)
    momentum = float32(model[6])
    eps = float32(model[7])
    weight_decay = float32(model[8])
    a = float32(model[16])
    one_minus_momentum = float32(model[17])  # 1 - momentum
    sum_1 = 0.0
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        alpha_i = alpha[i]
        s_i = s[i]
        p0_i = p0[i]
        t1 = g_i + weight_decay * p_i
        t2 = t1**2
        # alpha <- alpha + (g + weight_decay*p)**2
        alpha_new = t2 + alpha_i
        # root <- eps + sqrt(alpha_new)
        root = eps + sqrt(alpha_new)
        # s <- a*(g + weight_decay*p) + s
        s_new = s_i + a * t1
        t3 = float32(1.0) / root
        # p <- momentum*p + (1 - momentum)*(p0 - s_new/root)
        p_new = one_minus_momentum * (p0_i - t3 * s_new) + momentum * p_i
        sum_1 = accumulate(sum_1, float64(t2) * float64(t3))
        sum_2 = accumulate(sum_2, float64(abs(s_new)))
        sum_3 = accumulate(sum_3, float64(t3) * float64(s_new)**2)
        alpha[i] = alpha_new
        s[i] = s_new
        p[i] = p_new
    sums[0] = sum_1
    sums[1] = sum_2
    sums[2] = sum_3


@model_scalars
def dadapt_adagrad_scalars_2(model):
    """Scalars of the model, in float64."""
    growth_rate = model[10]
    d = model[11]
    q = model[12]
    sum_1 = model[13]
    sum_2 = model[14]
    sum_3 = model[15]
    a = model[16]
    # q <- a**2*sum_1 + q
    q_new = q + sum_1 * a**2
    # d_hat <- (sum_3 - q_new)/sum_2
    d_hat = (sum_3 - q_new) / sum_2
    # d <- where(sum_2 == 0, d, Max(d, Min(d_hat, growth_rate*d)))
    d_new = (d if sum_2 == 0.0 else maximum(d, minimum(d_hat, growth_rate * d)))
    model[12] = q_new
    model[11] = d_new
