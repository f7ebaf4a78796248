"""The rule adafactor over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    float64_array,
    int64,
    maximum,
    minimum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def adafactor_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta2_decay = model[6]
    eps1 = model[9]
    # rounded <- 4/3
    rounded = float64(float32(1.3333333333333333))
    # third <- rounded - 1
    third = rounded - 1.0
    # least <- where(eps1 == 0, Abs(3*third - 1), eps1)
    least = (abs(3.0 * third - 1.0) if eps1 == 0.0 else eps1)
    # b <- step**beta2_decay
    b = step ** beta2_decay
    model[11] = least
    model[12] = b


@element_pass
def adafactor_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes nothing."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    chunk_rows = int64(tensor[6])
    part = first // chunk_rows
    sum_2 = float64_array(arrays[4], 0, axis0)
    sum_3_count = axis1
    sum_3_part = float64_array(arrays[5], axis1 + part * sum_3_count, sum_3_count)
    for k in range(sum_3_count):
        sum_3_part[k] = 0.0
    sum_1 = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        sum_3 = float64_array(arrays[5], axis1 + part * sum_3_count, axis1)
        sum_2_i = 0.0
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            sum_1 = accumulate_square(sum_1, float64(p_i))
            sum_2_i = accumulate_square(sum_2_i, float64(g_i))
            sum_3[i] += float64(g_i)**2
        sum_2[here] = sum_2_i
    sums[0] = sum_1


@model_scalars
def adafactor_scalars_2(model):
    """Scalars of the model, in float64."""
    least = model[11]
    c2 = least**2
    model[13] = c2


@tensor_scalars
def adafactor_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    eps2 = model[10]
    least = model[11]
    b = model[12]
    size = tensor[0]
    rows = tensor[2]
    cols = tensor[3]
    sum_1 = tensor[8]
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    row_ = float32_array(arrays[2], 0, axis0)
    col = float32_array(arrays[3], 0, axis1)
    sum_2 = float64_array(arrays[4], 0, axis0)
    sum_3 = float64_array(arrays[5], 0, axis1)
    row_new = float32_array(arrays[6], 0, axis0)
    col_new = float64_array(arrays[7], 0, axis1)
    c1 = float32_array(arrays[8], 0, axis1)
    for k in range(axis1):
        sum_3[k] = 0.0
    for part in range(int64(tensor[7])):
        sum_3_count = axis1
        sum_3_part = float64_array(arrays[5], axis1 + part * sum_3_count, sum_3_count)
        for k in range(sum_3_count):
            sum_3[k] += sum_3_part[k]
    # alpha <- Max(eps2, sqrt(sum_1)/sqrt(size))*Min(lr, 1/sqrt(step))
    alpha = maximum(eps2, sqrt(sum_1) / sqrt(size)) * minimum(lr, 1.0 / sqrt(step))
    for k in range(axis0):
        row_i = float64(row_[k])
        sum_2_i = float64(sum_2[k])
        # row <- row + b*(-row + sum_2/cols)
        row_new_i = row_i + b * (sum_2_i / cols - row_i)
        row_new[k] = row_new_i
    t1 = 1.0 / rows
    for k in range(axis1):
        col_i = float64(col[k])
        sum_3_i = float64(sum_3[k])
        # col <- col + b*(-col + sum_3/rows)
        col_new_i = col_i + b * (t1 * sum_3_i - col_i)
        col_new[k] = col_new_i
    sum_4 = 0.0
    for k in range(axis0):
        row_new_i = float64(row_new[k])
        sum_4 += row_new_i
    for k in range(axis1):
        col_new_i = float64(col_new[k])
        c1_i = col_new_i / maximum(t1 * sum_4, least)
        c1[k] = c1_i
    tensor[10] = alpha


@element_pass
def adafactor_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    c2 = float32(model[13])  # least**2
    row_new = float32_array(arrays[6], 0, axis0)
    sum_5 = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        row_new_i = row_new[here]
        c1 = float32_array(arrays[8], 0, axis1)
        for i in range(axis1):
            g_i = g[i]
            c1_i = c1[i]
            # u <- g/sqrt(Max(col_new*row_new/Max(sum_4/rows, least), least**2))
            u = g_i / sqrt(maximum(c1_i * row_new_i, c2))
            sum_5 = accumulate_square(sum_5, float64(u))
    sums[1] = sum_5


@model_scalars
def adafactor_scalars_3(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[8]
    c3 = 1.0 - lr * weight_decay
    model[14] = c3


@tensor_scalars
def adafactor_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    d = model[7]
    size = tensor[0]
    sum_5 = tensor[9]
    alpha = tensor[10]
    c4 = alpha / maximum(1.0, sqrt(sum_5) / d / sqrt(size))
    tensor[11] = c4


@element_pass
def adafactor_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    first = start // axis1
    c2 = float32(model[13])  # least**2
    c3 = float32(model[14])  # -lr*weight_decay + 1
    c4 = float32(tensor[11])  # alpha/Max(1, sqrt(sum_5)/(d*sqrt(size)))
    row_new = float32_array(arrays[6], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        row_new_i = row_new[here]
        c1 = float32_array(arrays[8], 0, axis1)
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            c1_i = c1[i]
            # u <- g/sqrt(Max(col_new*row_new/Max(sum_4/rows, least), least**2))
            u = g_i / sqrt(maximum(c1_i * row_new_i, c2))
            # p <- -alpha*u/Max(1, sqrt(sum_5)/(d*sqrt(size))) + p*(-lr*weight_decay + 1)
            p_new = c3 * p_i - c4 * u
            p[i] = p_new


@tensor_scalars
def adafactor_tensor_scalars_4(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    axis0 = int64(tensor[4])
    axis1 = int64(tensor[5])
    row_ = float32_array(arrays[2], 0, axis0)
    col = float32_array(arrays[3], 0, axis1)
    row_new = float32_array(arrays[6], 0, axis0)
    col_new = float64_array(arrays[7], 0, axis1)
    for k in range(axis0):
        row_[k] = row_new[k]
    for k in range(axis1):
        col[k] = col_new[k]
