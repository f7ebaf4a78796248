"""The rule gravity over p, g, V, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    float32,
    float32_array,
    float64,
    inf,
    larger,
    model_scalars,
    nan,
    normal_float32,
    random_key,
)


@model_scalars
def gravity_scalars_1(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    alpha = model[6]
    # deviation <- where(lr == 0, 0, alpha/lr)
    deviation = (0.0 if lr == 0.0 else alpha / lr)
    model[8] = deviation


@element_pass
def gravity_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    max_1 = -inf
    max_1_nan = False
    for i in range(count):
        g_i = g[i]
        max_1_i = float64(abs(g_i))
        max_1 = larger(max_1, max_1_i)
        max_1_nan |= max_1_i != max_1_i
    sums[0] = nan if max_1_nan else max_1


@model_scalars
def gravity_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta = model[7]
    t1 = 1.0 / (step + 2.0)
    t2 = 1.0 + step * beta
    c1 = 1.0 - t1 * t2
    c2 = t1 * t2
    model[9] = c1
    model[10] = c2


@element_pass
def gravity_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, V; writes V, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    V = float32_array(arrays[2], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    deviation = float32(model[8])
    c1 = float32(model[9])  # 1 - (step*beta + 1)/(step + 2)
    c2 = float32(model[10])  # (step*beta + 1)/(step + 2)
    max_1 = float32(tensor[2])
    key = random_key(model, tensor)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        V_i = V[i]
        # V <- g*(-...*... + 1)/(... + 1) + (step*beta + 1)*where(step == 1, deviation*..., V)/(step + 2)
        V_new = c1 * g_i / ((max_1 * g_i)**2 + float32(1.0)) + c2 * (deviation * normal_float32(key, start + i, 1) if step == float32(1.0) else V_i)
        # p <- -lr*V_new + p
        p_new = p_i - lr * V_new
        V[i] = V_new
        p[i] = p_new
