"""The rule adasmooth over p, g, s, n, v, last, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
)


@model_scalars
def adasmooth_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    beta2 = model[7]
    c1 = beta2 - beta1
    one_minus_beta2 = 1.0 - beta2
    model[10] = c1
    model[11] = one_minus_beta2


@element_pass
def adasmooth_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, s, n, v, last; writes s, n, v, last, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    s = float32_array(arrays[2], start, count)
    n = float32_array(arrays[3], start, count)
    v = float32_array(arrays[4], start, count)
    last = float32_array(arrays[5], start, count)
    lr = float32(model[5])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    c1 = float32(model[10])  # -beta1 + beta2
    one_minus_beta2 = float32(model[11])  # 1 - beta2
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        s_i = s[i]
        n_i = n[i]
        v_i = v[i]
        last_i = last[i]
        # s <- p - last + s
        s_new = p_i + s_i - last_i
        # n <- n + Abs(p - last)
        n_new = n_i + abs(p_i - last_i)
        t1 = g_i + weight_decay * p_i
        # v <- v + (-v + ...**2)*(... + ... + 1)**2
        v_new = v_i + (one_minus_beta2 + c1 * abs(s_new) / (n_new + eps))**2 * (t1**2 - v_i)
        # last <- p
        last_new = p_i
        # p <- -lr*(g + weight_decay*p)/sqrt(eps + v_new) + p
        p_new = p_i - lr * t1 / sqrt(v_new + eps)
        s[i] = s_new
        n[i] = n_new
        v[i] = v_new
        last[i] = last_new
        p[i] = p_new
