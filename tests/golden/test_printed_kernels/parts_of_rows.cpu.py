"""The rule adam_mini over p, g, m, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    float64_array,
    int64,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def adam_mini_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    model[10] = one_minus_beta1


@element_pass
def adam_mini_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes m."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    beta1 = float32(model[6])
    one_minus_beta1 = float32(model[10])  # 1 - beta1
    sum_1 = float64_array(arrays[4], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        sum_1_i = 0.0
        for i in range(axis1):
            g_i = g[i]
            m_i = m[i]
            # m <- g*(1 - beta1) + beta1*m
            m_new = one_minus_beta1 * g_i + beta1 * m_i
            sum_1_i = accumulate_square(sum_1_i, float64(g_i))
            m[i] = m_new
        sum_1[here] = sum_1_i


@model_scalars
def adam_mini_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[9]
    c1 = 1.0 - lr * weight_decay
    model[11] = c1


@tensor_scalars
def adam_mini_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    eps = model[8]
    dim1 = tensor[3]
    axis0 = int64(tensor[2])
    v = float32_array(arrays[3], 0, axis0)
    sum_1 = float64_array(arrays[4], 0, axis0)
    v_new = float64_array(arrays[5], 0, axis0)
    c2 = float32_array(arrays[6], 0, axis0)
    for k in range(axis0):
        v_i = float64(v[k])
        sum_1_i = float64(sum_1[k])
        # v <- v*beta2 + sum_1*(1 - beta2)/dim1
        v_new_i = v_i * beta2 + sum_1_i * (1.0 - beta2) / dim1
        v_new[k] = v_new_i
        c2_i = lr / (1.0 - beta1 ** step) / (eps + sqrt(v_new_i / (1.0 - beta2 ** step)))
        c2[k] = c2_i


@element_pass
def adam_mini_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m; writes p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    c1 = float32(model[11])  # -lr*weight_decay + 1
    c2 = float32_array(arrays[6], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        c2_i = c2[here]
        for i in range(axis1):
            p_i = p[i]
            m_new = m[i]
            # p <- -lr*m_new/((eps + ...)*(... + 1)) + p*(-lr*weight_decay + 1)
            p_new = c1 * p_i - c2_i * m_new
            p[i] = p_new


@tensor_scalars
def adam_mini_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    axis0 = int64(tensor[2])
    v = float32_array(arrays[3], 0, axis0)
    v_new = float64_array(arrays[5], 0, axis0)
    for k in range(axis0):
        v[k] = v_new[k]
