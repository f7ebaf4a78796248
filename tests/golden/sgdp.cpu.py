"""The rule sgdp over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    float64_array,
    inf,
    int64,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def sgdp_scalars_1(model):
    """Scalars of the model, in float64."""
    dampening = model[7]
    one_minus_dampening = 1.0 - dampening
    model[12] = one_minus_dampening


@element_pass
def sgdp_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    momentum = float32(model[6])
    one_minus_dampening = float32(model[12])  # 1 - dampening
    sum_1 = float64_array(arrays[3], 0, axis0)
    sum_2 = float64_array(arrays[4], 0, axis0)
    sum_3 = float64_array(arrays[5], 0, axis0)
    sum_5 = float64_array(arrays[6], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        b = float32_array(arrays[2], start + offset, axis1)
        sum_1_i = 0.0
        sum_2_i = 0.0
        sum_3_i = 0.0
        sum_5_i = 0.0
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            b_i = b[i]
            # b <- g*(1 - dampening) + momentum*b
            b_new = one_minus_dampening * g_i + momentum * b_i
            # u <- b_new
            u = b_new
            sum_1_i = accumulate(sum_1_i, float64(g_i)**2)
            sum_2_i = accumulate(sum_2_i, float64(p_i)**2)
            sum_3_i = accumulate(sum_3_i, float64(g_i) * float64(p_i))
            sum_5_i = accumulate(sum_5_i, float64(u) * float64(p_i))
            b[i] = b_new
        sum_1[here] = sum_1_i
        sum_2[here] = sum_2_i
        sum_3[here] = sum_3_i
        sum_5[here] = sum_5_i


@tensor_scalars
def sgdp_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    momentum = model[6]
    weight_decay = model[8]
    eps = model[9]
    delta = model[10]
    wd_ratio = model[11]
    size = tensor[0]
    dim0 = tensor[2]
    dim1 = tensor[3]
    axis0 = int64(tensor[2])
    sum_1 = float64_array(arrays[3], 0, axis0)
    sum_2 = float64_array(arrays[4], 0, axis0)
    sum_3 = float64_array(arrays[5], 0, axis0)
    sum_5 = float64_array(arrays[6], 0, axis0)
    t1 = float64_array(arrays[7], 0, axis0)
    along = float32_array(arrays[8], 0, axis0)
    for k in range(axis0):
        sum_2_i = float64(sum_2[k])
        t1_i = sqrt(sum_2_i)
        t1[k] = t1_i
    max_4_once = -inf
    for k in range(axis0):
        sum_1_i = float64(sum_1[k])
        sum_3_i = float64(sum_3[k])
        t1_i = float64(t1[k])
        max_4_once = maximum(max_4_once, abs(sum_3_i) / maximum(sqrt(sum_1_i), eps) / maximum(t1_i, eps))
    max_4 = (max_4_once if dim1 > 0.0 else -inf)
    sum_6_once = 0.0
    for k in range(axis0):
        sum_1_i = float64(sum_1[k])
        sum_6_once += sum_1_i
    sum_6 = dim1 * sum_6_once
    sum_7_once = 0.0
    for k in range(axis0):
        sum_2_i = float64(sum_2[k])
        sum_7_once += sum_2_i
    sum_7 = dim1 * sum_7_once
    sum_8_once = 0.0
    for k in range(axis0):
        sum_3_i = float64(sum_3[k])
        sum_8_once += sum_3_i
    sum_8 = dim1 * sum_8_once
    sum_9_once = 0.0
    for k in range(axis0):
        sum_5_i = float64(sum_5[k])
        sum_9_once += sum_5_i
    sum_9 = dim1 * sum_9_once
    t2 = delta / sqrt(dim1)
    t3 = sqrt(dim0)
    t4 = 1.0 / sqrt(size)
    t5 = t3 * t4 * sqrt(sum_7)
    t6 = 1.0 / size
    t7 = abs(t6 * dim0 * sum_8) / maximum(t3 * t4 * sqrt(sum_6), eps) / maximum(t5, eps)
    t8 = t4 * delta
    for k in range(axis0):
        sum_5_i = float64(sum_5[k])
        t1_i = float64(t1[k])
        # along <- where(max_4 < delta/sqrt(dim1), ..., ...)
        along_i = (sum_5_i / (t1_i + eps)**2 if max_4 < t2 else (t6 * dim0 * sum_9 / (t5 + eps)**2 if t7 < t8 else 0.0))
        along[k] = along_i
    # ratio <- ...
    ratio = (wd_ratio if (max_4 < t2) or (t7 < t8) else 1.0)
    c1 = 1.0 - lr * weight_decay * ratio / (1.0 - momentum)
    tensor[4] = c1


@element_pass
def sgdp_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, b; writes p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    lr = float32(model[5])
    c1 = float32(tensor[4])  # -lr*weight_decay*ratio/(1 - momentum) + 1
    along = float32_array(arrays[8], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        b = float32_array(arrays[2], start + offset, axis1)
        along_i = along[here]
        for i in range(axis1):
            p_i = p[i]
            b_new = b[i]
            # u <- b_new
            u = b_new
            # p <- -lr*(-along*p + u) + p*(-lr*weight_decay*ratio/(1 - momentum) + 1)
            p_new = c1 * p_i - lr * (u - along_i * p_i)
            p[i] = p_new
