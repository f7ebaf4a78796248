"""The rule adatam over p, g, m, v, s, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    float64,
    float64_array,
    int64,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@element_pass
def adatam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes nothing."""
    axis1 = int64(tensor[3])
    first = start // axis1
    chunk_rows = int64(tensor[4])
    part = first // chunk_rows
    sum_1_count = axis1
    sum_1_part = float64_array(arrays[5], axis1 + part * sum_1_count, sum_1_count)
    for k in range(sum_1_count):
        sum_1_part[k] = 0.0
    sum_2_count = axis1
    sum_2_part = float64_array(arrays[6], axis1 + part * sum_2_count, sum_2_count)
    for k in range(sum_2_count):
        sum_2_part[k] = 0.0
    for row_number in range(count // axis1):
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        sum_1 = float64_array(arrays[5], axis1 + part * sum_1_count, axis1)
        sum_2 = float64_array(arrays[6], axis1 + part * sum_2_count, axis1)
        for i in range(axis1):
            g_i = g[i]
            m_i = m[i]
            sum_1[i] += float64(m_i)**2
            sum_2[i] += float64(g_i)**2


@model_scalars
def adatam_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    beta2 = model[7]
    eps = model[9]
    weight_decay = model[10]
    c2 = eps + 0.5
    one_minus_beta2 = 1.0 - beta2
    c3 = 1.0 - lr * weight_decay
    model[11] = c2
    model[12] = one_minus_beta2
    model[13] = c3


@tensor_scalars
def adatam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    decay_rate = model[8]
    axis1 = int64(tensor[3])
    sum_1 = float64_array(arrays[5], 0, axis1)
    sum_2 = float64_array(arrays[6], 0, axis1)
    momentum_length = float64_array(arrays[7], 0, axis1)
    gradient_length = float64_array(arrays[8], 0, axis1)
    c1 = float32_array(arrays[9], 0, axis1)
    for k in range(axis1):
        sum_1[k] = 0.0
    for part in range(int64(tensor[5])):
        sum_1_count = axis1
        sum_1_part = float64_array(arrays[5], axis1 + part * sum_1_count, sum_1_count)
        for k in range(sum_1_count):
            sum_1[k] += sum_1_part[k]
    for k in range(axis1):
        sum_2[k] = 0.0
    for part in range(int64(tensor[5])):
        sum_2_count = axis1
        sum_2_part = float64_array(arrays[6], axis1 + part * sum_2_count, sum_2_count)
        for k in range(sum_2_count):
            sum_2[k] += sum_2_part[k]
    for k in range(axis1):
        sum_1_i = float64(sum_1[k])
        sum_2_i = float64(sum_2[k])
        # momentum_length <- Max(sqrt(sum_1), 1.0e-12)
        momentum_length_i = maximum(sqrt(sum_1_i), 1e-12)
        momentum_length[k] = momentum_length_i
        # gradient_length <- Max(sqrt(sum_2), 1.0e-12)
        gradient_length_i = maximum(sqrt(sum_2_i), 1e-12)
        gradient_length[k] = gradient_length_i
        c1_i = (1.0 - decay_rate) / gradient_length_i / momentum_length_i
        c1[k] = c1_i


@element_pass
def adatam_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, s; writes s, m, v, p."""
    axis1 = int64(tensor[3])
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    decay_rate = float32(model[8])
    eps = float32(model[9])
    c2 = float32(model[11])  # eps + 1/2
    one_minus_beta2 = float32(model[12])  # 1 - beta2
    c3 = float32(model[13])  # -lr*weight_decay + 1
    for row_number in range(count // axis1):
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        v = float32_array(arrays[3], start + offset, axis1)
        s = float32_array(arrays[4], start + offset, axis1)
        c1 = float32_array(arrays[9], 0, axis1)
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            m_i = m[i]
            v_i = v[i]
            s_i = s[i]
            c1_i = c1[i]
            # s <- g*m*(1 - decay_rate)/(gradient_length*momentum_length) + decay_rate*s
            s_new = decay_rate * s_i + c1_i * g_i * m_i
            # m <- g*(eps + s_new/2 + 1/2) + beta1*m
            m_new = g_i * (c2 + float32(0.5) * s_new) + beta1 * m_i
            # v <- g**2*(1 - beta2) + beta2*v
            v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
            # p <- -lr*m_new/(eps + sqrt(v_new)) + p*(-lr*weight_decay + 1)
            p_new = c3 * p_i - lr * m_new / (eps + sqrt(v_new))
            s[i] = s_new
            m[i] = m_new
            v[i] = v_new
            p[i] = p_new
