"""The rule came over p, g, m, in float32, for the CPU.

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


@element_pass
def came_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    eps1 = float32(model[9])
    chunk_rows = int64(tensor[6])
    part = first // chunk_rows
    sum_1 = float64_array(arrays[7], 0, axis0)
    sum_2_count = axis1
    sum_2_part = float64_array(arrays[8], axis1 + part * sum_2_count, sum_2_count)
    for k in range(sum_2_count):
        sum_2_part[k] = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        sum_2 = float64_array(arrays[8], axis1 + part * sum_2_count, axis1)
        sum_1_i = 0.0
        for i in range(axis1):
            g_i = g[i]
            t1 = eps1 + g_i**2
            sum_1_i = accumulate(sum_1_i, float64(t1))
            sum_2[i] += float64(t1)
        sum_1[here] = sum_1_i


@tensor_scalars
def came_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta2 = model[7]
    rows = tensor[2]
    cols = tensor[3]
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    row_ = float32_array(arrays[3], 0, axis0)
    col = float32_array(arrays[4], 0, axis1)
    sum_1 = float64_array(arrays[7], 0, axis0)
    sum_2 = float64_array(arrays[8], 0, axis1)
    row_new = float64_array(arrays[11], 0, axis0)
    col_new = float64_array(arrays[12], 0, axis1)
    by_row = float32_array(arrays[13], 0, axis0)
    by_col = float32_array(arrays[14], 0, axis1)
    for k in range(axis1):
        sum_2[k] = 0.0
    for part in range(int64(tensor[7])):
        sum_2_count = axis1
        sum_2_part = float64_array(arrays[8], axis1 + part * sum_2_count, sum_2_count)
        for k in range(sum_2_count):
            sum_2[k] += sum_2_part[k]
    t2 = 1.0 - beta2
    for k in range(axis0):
        row_i = float64(row_[k])
        sum_1_i = float64(sum_1[k])
        # row <- row*beta2 + sum_1*(1 - beta2)/cols
        row_new_i = row_i * beta2 + t2 * sum_1_i / cols
        row_new[k] = row_new_i
    t3 = 1.0 / rows
    for k in range(axis1):
        col_i = float64(col[k])
        sum_2_i = float64(sum_2[k])
        # col <- col*beta2 + sum_2*(1 - beta2)/rows
        col_new_i = col_i * beta2 + t3 * t2 * sum_2_i
        col_new[k] = col_new_i
    sum_3 = 0.0
    for k in range(axis0):
        row_new_i = float64(row_new[k])
        sum_3 += row_new_i
    for k in range(axis0):
        row_new_i = float64(row_new[k])
        # by_row <- sqrt(sum_3/(rows*row_new))
        by_row_i = sqrt(t3 * sum_3 / row_new_i)
        by_row[k] = by_row_i
    for k in range(axis1):
        col_new_i = float64(col_new[k])
        # by_col <- 1/sqrt(col_new)
        by_col_i = 1.0 / sqrt(col_new_i)
        by_col[k] = by_col_i


@element_pass
def came_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    by_row = float32_array(arrays[13], 0, axis0)
    sum_4 = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        by_row_i = by_row[here]
        by_col = float32_array(arrays[14], 0, axis1)
        for i in range(axis1):
            g_i = g[i]
            by_col_i = by_col[i]
            # u <- g*by_col*by_row
            u = by_col_i * by_row_i * g_i
            sum_4 = accumulate(sum_4, float64(u)**2)
    sums[0] = sum_4


@model_scalars
def came_scalars_3(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    model[13] = one_minus_beta1


@tensor_scalars
def came_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    clip_threshold = model[11]
    size = tensor[0]
    sum_4 = tensor[8]
    c1 = 1.0 / maximum(1.0, sqrt(sum_4) / clip_threshold / sqrt(size))
    tensor[9] = c1


@element_pass
def came_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m; writes m."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    beta1 = float32(model[6])
    eps2 = float32(model[10])
    one_minus_beta1 = float32(model[13])  # 1 - beta1
    c1 = float32(tensor[9])  # 1/Max(1, sqrt(sum_4)/(clip_threshold*sqrt(size)))
    by_row = float32_array(arrays[13], 0, axis0)
    chunk_rows = int64(tensor[6])
    part = first // chunk_rows
    sum_5 = float64_array(arrays[9], 0, axis0)
    sum_6_count = axis1
    sum_6_part = float64_array(arrays[10], axis1 + part * sum_6_count, sum_6_count)
    for k in range(sum_6_count):
        sum_6_part[k] = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        by_row_i = by_row[here]
        by_col = float32_array(arrays[14], 0, axis1)
        sum_6 = float64_array(arrays[10], axis1 + part * sum_6_count, axis1)
        sum_5_i = 0.0
        for i in range(axis1):
            g_i = g[i]
            m_i = m[i]
            by_col_i = by_col[i]
            # u <- g*by_col*by_row
            u = by_col_i * by_row_i * g_i
            # clipped <- u/Max(1, sqrt(sum_4)/(clip_threshold*sqrt(size)))
            clipped = c1 * u
            # m <- beta1*m + clipped*(1 - beta1)
            m_new = one_minus_beta1 * clipped + beta1 * m_i
            t4 = eps2 + (clipped - m_new)**2
            sum_5_i = accumulate(sum_5_i, float64(t4))
            sum_6[i] += float64(t4)
            m[i] = m_new
        sum_5[here] = sum_5_i


@model_scalars
def came_scalars_4(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[12]
    c2 = 1.0 - lr * weight_decay
    model[14] = c2


@tensor_scalars
def came_tensor_scalars_4(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    beta3 = model[8]
    rows = tensor[2]
    cols = tensor[3]
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    deviation_row = float32_array(arrays[5], 0, axis0)
    deviation_col = float32_array(arrays[6], 0, axis1)
    sum_5 = float64_array(arrays[9], 0, axis0)
    sum_6 = float64_array(arrays[10], 0, axis1)
    deviation_row_new = float64_array(arrays[15], 0, axis0)
    deviation_col_new = float64_array(arrays[16], 0, axis1)
    deviation_by_row = float32_array(arrays[17], 0, axis0)
    deviation_by_col = float64_array(arrays[18], 0, axis1)
    c3 = float32_array(arrays[19], 0, axis1)
    for k in range(axis1):
        sum_6[k] = 0.0
    for part in range(int64(tensor[7])):
        sum_6_count = axis1
        sum_6_part = float64_array(arrays[10], axis1 + part * sum_6_count, sum_6_count)
        for k in range(sum_6_count):
            sum_6[k] += sum_6_part[k]
    t5 = 1.0 - beta3
    for k in range(axis0):
        deviation_row_i = float64(deviation_row[k])
        sum_5_i = float64(sum_5[k])
        # deviation_row <- deviation_row*beta3 + sum_5*(1 - beta3)/cols
        deviation_row_new_i = deviation_row_i * beta3 + t5 * sum_5_i / cols
        deviation_row_new[k] = deviation_row_new_i
    t6 = 1.0 / rows
    for k in range(axis1):
        deviation_col_i = float64(deviation_col[k])
        sum_6_i = float64(sum_6[k])
        # deviation_col <- deviation_col*beta3 + sum_6*(1 - beta3)/rows
        deviation_col_new_i = deviation_col_i * beta3 + t6 * t5 * sum_6_i
        deviation_col_new[k] = deviation_col_new_i
    sum_7 = 0.0
    for k in range(axis0):
        deviation_row_new_i = float64(deviation_row_new[k])
        sum_7 += deviation_row_new_i
    for k in range(axis0):
        deviation_row_new_i = float64(deviation_row_new[k])
        # deviation_by_row <- sqrt(sum_7/(rows*deviation_row_new))
        deviation_by_row_i = sqrt(t6 * sum_7 / deviation_row_new_i)
        deviation_by_row[k] = deviation_by_row_i
    for k in range(axis1):
        deviation_col_new_i = float64(deviation_col_new[k])
        # deviation_by_col <- 1/sqrt(deviation_col_new)
        deviation_by_col_i = 1.0 / sqrt(deviation_col_new_i)
        deviation_by_col[k] = deviation_by_col_i
        c3_i = lr * deviation_by_col_i
        c3[k] = c3_i


@element_pass
def came_pass_4(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m; writes p."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    c2 = float32(model[14])  # -lr*weight_decay + 1
    deviation_by_row = float32_array(arrays[17], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        deviation_by_row_i = deviation_by_row[here]
        c3 = float32_array(arrays[19], 0, axis1)
        for i in range(axis1):
            p_i = p[i]
            m_new = m[i]
            c3_i = c3[i]
            # p <- -lr*deviation_by_col*deviation_by_row*m_new + p*(-lr*weight_decay + 1)
            p_new = c2 * p_i - c3_i * deviation_by_row_i * m_new
            p[i] = p_new


@tensor_scalars
def came_tensor_scalars_5(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    row_ = float32_array(arrays[3], 0, axis0)
    col = float32_array(arrays[4], 0, axis1)
    deviation_row = float32_array(arrays[5], 0, axis0)
    deviation_col = float32_array(arrays[6], 0, axis1)
    row_new = float64_array(arrays[11], 0, axis0)
    col_new = float64_array(arrays[12], 0, axis1)
    deviation_row_new = float64_array(arrays[15], 0, axis0)
    deviation_col_new = float64_array(arrays[16], 0, axis1)
    for k in range(axis0):
        row_[k] = row_new[k]
    for k in range(axis1):
        col[k] = col_new[k]
    for k in range(axis0):
        deviation_row[k] = deviation_row_new[k]
    for k in range(axis1):
        deviation_col[k] = deviation_col_new[k]
