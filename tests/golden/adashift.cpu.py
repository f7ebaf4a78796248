"""The rule adashift over p, g, m, g_1, g_2, g_3, g_4, g_5, g_6, g_7, g_8, g_9, g_10, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.runtime.kernel import (
    abs,
    element_pass,
    float32,
    float32_array,
    float64,
    inf,
    larger,
    model_scalars,
    nan,
    sqrt,
    tensor_scalars,
)


@model_scalars
def adashift_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    t1 = beta1**10
    # newest_weight <- (1 - beta1)/(1 - beta1**10)
    newest_weight = (1.0 - beta1) / (1.0 - t1)
    c1 = t1 * newest_weight
    model[9] = newest_weight
    model[10] = c1


@element_pass
def adashift_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m, g_1, g_2, g_3, g_4, g_5, g_6, g_7, g_8, g_9, g_10; writes m, g_1, g_2, g_3, g_4, g_5, g_6, g_7, g_8, g_9, g_10."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    g_1 = float32_array(arrays[3], start, count)
    g_2 = float32_array(arrays[4], start, count)
    g_3 = float32_array(arrays[5], start, count)
    g_4 = float32_array(arrays[6], start, count)
    g_5 = float32_array(arrays[7], start, count)
    g_6 = float32_array(arrays[8], start, count)
    g_7 = float32_array(arrays[9], start, count)
    g_8 = float32_array(arrays[10], start, count)
    g_9 = float32_array(arrays[11], start, count)
    g_10 = float32_array(arrays[12], start, count)
    beta1 = float32(model[6])
    newest_weight = float32(model[9])
    c1 = float32(model[10])  # beta1**10*newest_weight
    max_1 = -inf
    max_1_nan = False
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        g_1_i = g_1[i]
        g_2_i = g_2[i]
        g_3_i = g_3[i]
        g_4_i = g_4[i]
        g_5_i = g_5[i]
        g_6_i = g_6[i]
        g_7_i = g_7[i]
        g_8_i = g_8[i]
        g_9_i = g_9[i]
        g_10_i = g_10[i]
        # m <- g*newest_weight - beta1**10*newest_weight*g_10 + beta1*m
        m_new = newest_weight * g_i + beta1 * m_i - c1 * g_10_i
        # g_1 <- g
        g_1_new = g_i
        # g_2 <- g_1
        g_2_new = g_1_i
        # g_3 <- g_2
        g_3_new = g_2_i
        # g_4 <- g_3
        g_4_new = g_3_i
        # g_5 <- g_4
        g_5_new = g_4_i
        # g_6 <- g_5
        g_6_new = g_5_i
        # g_7 <- g_6
        g_7_new = g_6_i
        # g_8 <- g_7
        g_8_new = g_7_i
        # g_9 <- g_8
        g_9_new = g_8_i
        # g_10 <- g_9
        g_10_new = g_9_i
        max_1_i = float64(abs(g_10_i))
        max_1 = larger(max_1, max_1_i)
        max_1_nan |= max_1_i != max_1_i
        m[i] = m_new
        g_1[i] = g_1_new
        g_2[i] = g_2_new
        g_3[i] = g_3_new
        g_4[i] = g_4_new
        g_5[i] = g_5_new
        g_6[i] = g_6_new
        g_7[i] = g_7_new
        g_8[i] = g_8_new
        g_9[i] = g_9_new
        g_10[i] = g_10_new
    sums[0] = nan if max_1_nan else max_1


@tensor_scalars
def adashift_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta2 = model[7]
    eps = model[8]
    v = tensor[2]
    max_1 = tensor[3]
    # v <- beta2*v + max_1**2*(1 - beta2)
    v_new = max_1**2 * (1.0 - beta2) + beta2 * v
    # rate <- Piecewise((lr/(eps + sqrt(v_new/(1 - beta2**(step - 10)))), step > 10), (0, True))
    rate = (lr / (eps + sqrt(v_new / (1.0 - beta2 ** (step - 10.0)))) if step > 10.0 else 0.0)
    tensor[4] = v_new
    tensor[5] = rate


@element_pass
def adashift_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    rate = float32(tensor[5])
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        # p <- -rate*m_new + p
        p_new = p_i - rate * m_new
        p[i] = p_new


@tensor_scalars
def adashift_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    v_new = tensor[4]
    tensor[2] = v_new
