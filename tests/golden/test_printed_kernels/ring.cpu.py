"""The rule adashift over p, g, m, past_1, past_2, past_3, past_4, past_5, past_6, past_7, past_8, past_9, past_10, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    element_pass,
    float32,
    float32_array,
    float64,
    inf,
    int64,
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
    """Reads g, m, past_10; writes m, past_10."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    past_10 = float32_array(arrays[3 + (int64(model[0]) - 10) % 10], start, count)
    beta1 = float32(model[6])
    newest_weight = float32(model[9])
    c1 = float32(model[10])  # beta1**10*newest_weight
    max_1 = -inf
    max_1_nan = False
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        past_10_i = past_10[i]
        # m <- g*newest_weight - beta1**10*newest_weight*past_10 + beta1*m
        m_new = newest_weight * g_i + beta1 * m_i - c1 * past_10_i
        # past_10 <- g
        past_10_new = g_i
        max_1_i = float64(abs(past_10_i))
        max_1 = larger(max_1, max_1_i)
        max_1_nan |= max_1_i != max_1_i
        m[i] = m_new
        past_10[i] = past_10_new
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
    # rate <- where(step > 10, lr/(eps + sqrt(v_new/(1 - beta2**(step - 10)))), 0)
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
