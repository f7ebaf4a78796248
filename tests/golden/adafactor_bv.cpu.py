"""The rule adafactor_bv over p, g, m, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
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


@model_scalars
def adafactor_bv_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    decay_rate = model[6]
    beta2_cap = model[7]
    # b <- Max(1 - beta2_cap, step**(-decay_rate))
    b = maximum(1.0 - beta2_cap, step ** (-decay_rate))
    model[11] = b


@element_pass
def adafactor_bv_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    eps = float32(model[10])
    chunk_rows = int64(tensor[4])
    part = first // chunk_rows
    sum_1 = float64_array(arrays[5], 0, axis0)
    sum_2_count = axis1
    sum_2_part = float64_array(arrays[6], axis1 + part * sum_2_count, sum_2_count)
    for k in range(sum_2_count):
        sum_2_part[k] = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        sum_2 = float64_array(arrays[6], axis1 + part * sum_2_count, axis1)
        sum_1_i = 0.0
        for i in range(axis1):
            g_i = g[i]
            t1 = eps + g_i**2
            sum_1_i = accumulate(sum_1_i, float64(t1))
            sum_2[i] += float64(t1)
        sum_1[here] = sum_1_i


@model_scalars
def adafactor_bv_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[9]
    c2 = 1.0 - lr * weight_decay
    model[12] = c2


@tensor_scalars
def adafactor_bv_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    momentum = model[8]
    b = model[11]
    dim0 = tensor[2]
    dim1 = tensor[3]
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    row_ = float32_array(arrays[3], 0, axis0)
    col = float32_array(arrays[4], 0, axis1)
    sum_1 = float64_array(arrays[5], 0, axis0)
    sum_2 = float64_array(arrays[6], 0, axis1)
    row_new = float64_array(arrays[7], 0, axis0)
    col_new = float64_array(arrays[8], 0, axis1)
    by_row = float32_array(arrays[9], 0, axis0)
    by_col = float64_array(arrays[10], 0, axis1)
    c1 = float32_array(arrays[11], 0, axis1)
    for k in range(axis1):
        sum_2[k] = 0.0
    for part in range(int64(tensor[5])):
        sum_2_count = axis1
        sum_2_part = float64_array(arrays[6], axis1 + part * sum_2_count, sum_2_count)
        for k in range(sum_2_count):
            sum_2[k] += sum_2_part[k]
    for k in range(axis0):
        row_i = float64(row_[k])
        sum_1_i = float64(sum_1[k])
        # row <- row + b*(-row + sum_1/dim1)
        row_new_i = row_i + b * (sum_1_i / dim1 - row_i)
        row_new[k] = row_new_i
    t2 = 1.0 / dim0
    for k in range(axis1):
        col_i = float64(col[k])
        sum_2_i = float64(sum_2[k])
        # col <- col + b*(-col + sum_2/dim0)
        col_new_i = col_i + b * (t2 * sum_2_i - col_i)
        col_new[k] = col_new_i
    sum_3 = 0.0
    for k in range(axis0):
        row_new_i = float64(row_new[k])
        sum_3 += row_new_i
    for k in range(axis0):
        row_new_i = float64(row_new[k])
        # by_row <- sqrt(sum_3/(dim0*row_new))
        by_row_i = sqrt(t2 * sum_3 / row_new_i)
        by_row[k] = by_row_i
    for k in range(axis1):
        col_new_i = float64(col_new[k])
        # by_col <- 1/sqrt(col_new)
        by_col_i = 1.0 / sqrt(col_new_i)
        by_col[k] = by_col_i
        c1_i = by_col_i * (1.0 - momentum)
        c1[k] = c1_i


@element_pass
def adafactor_bv_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m; writes m, p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    lr = float32(model[5])
    momentum = float32(model[8])
    c2 = float32(model[12])  # -lr*weight_decay + 1
    by_row = float32_array(arrays[9], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        by_row_i = by_row[here]
        c1 = float32_array(arrays[11], 0, axis1)
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            m_i = m[i]
            c1_i = c1[i]
            # m <- g*by_col*by_row*(1 - momentum) + momentum*m
            m_new = momentum * m_i + c1_i * by_row_i * g_i
            # p <- -lr*m_new + p*(-lr*weight_decay + 1)
            p_new = c2 * p_i - lr * m_new
            m[i] = m_new
            p[i] = p_new


@tensor_scalars
def adafactor_bv_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    row_ = float32_array(arrays[3], 0, axis0)
    col = float32_array(arrays[4], 0, axis1)
    row_new = float64_array(arrays[7], 0, axis0)
    col_new = float64_array(arrays[8], 0, axis1)
    for k in range(axis0):
        row_[k] = row_new[k]
    for k in range(axis1):
        col[k] = col_new[k]
