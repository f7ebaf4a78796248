"""The rule dadapt_sgd over p, g, s, p0, in float32, for the CPU.

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
)


@element_pass
def dadapt_sgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
    sums[0] = sum_1


@model_scalars
def dadapt_sgd_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    momentum = model[6]
    d = model[10]
    g1_norm = model[12]
    sum_1 = model[13]
    # g1_norm <- where(g1_norm == 0, sqrt(sum_1), g1_norm)
    g1_norm_new = (sqrt(sum_1) if g1_norm == 0.0 else g1_norm)
    # a <- where(g1_norm_new == 0, 0, lr*d/g1_norm_new)
    a = (0.0 if g1_norm_new == 0.0 else lr * d / g1_norm_new)
    one_minus_momentum = 1.0 - momentum
    model[16] = g1_norm_new
    model[17] = a
    model[18] = one_minus_momentum


@element_pass
def dadapt_sgd_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, s, p0; writes s, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[2], start, count)
    p0 = float32_array(arrays[3], start, count)
    momentum = float32(model[6])
    weight_decay = float32(model[7])
    a = float32(model[17])
    one_minus_momentum = float32(model[18])  # 1 - momentum
    sum_2 = 0.0
    sum_3 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        s_i = s[i]
        p0_i = p0[i]
        t1 = g_i + weight_decay * p_i
        # s <- a*(g + weight_decay*p) + s
        s_new = s_i + a * t1
        # p <- momentum*p + (1 - momentum)*(-s_new + p0)
        p_new = one_minus_momentum * (p0_i - s_new) + momentum * p_i
        sum_2 = accumulate(sum_2, float64(a) * float64(t1) * float64(s_i))
        sum_3 = accumulate(sum_3, float64(s_new)**2)
        s[i] = s_new
        p[i] = p_new
    sums[1] = sum_2
    sums[2] = sum_3


@model_scalars
def dadapt_sgd_scalars_3(model):
    """Scalars of the model, in float64."""
    growth_rate = model[9]
    d = model[10]
    n = model[11]
    sum_2 = model[14]
    sum_3 = model[15]
    g1_norm_new = model[16]
    # n <- n + sum_2
    n_new = n + sum_2
    # d_hat <- 2*n_new/sqrt(sum_3)
    d_hat = 2.0 * n_new / sqrt(sum_3)
    # d <- where(sqrt(sum_3) == 0, d, Max(d, Min(d_hat, growth_rate*d)))
    d_new = (d if sqrt(sum_3) == 0.0 else maximum(d, minimum(d_hat, growth_rate * d)))
    model[12] = g1_norm_new
    model[11] = n_new
    model[10] = d_new
