"""The rule adam_mini over p, g, m, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    element_pass,
    float32_array,
    float64,
    float64_array,
    int64,
    lanes_for,
    model_scalars,
    narrowed,
    sqrt,
    sum_of,
    sync,
    tensor_vectors,
    thread,
    threads,
)


@model_scalars
def adam_mini_scalars_1(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    one_minus_beta1 = 1.0 - beta1
    model[10] = one_minus_beta1


@element_pass
def adam_mini_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g, m; writes m."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    beta1 = narrowed(model[6])
    one_minus_beta1 = narrowed(model[10])  # 1 - beta1
    sum_1 = float64_array(arrays[4], 0, axis0)
    lanes = lanes_for(axis1)
    lane = thread() % lanes
    groups = threads() // lanes
    row_count = count // axis1
    for turn in range((row_count + groups - 1) // groups):
        row_number = turn * groups + thread() // lanes
        is_row = row_number < row_count
        row_number = min(row_number, row_count - 1)
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        sum_1_i = 0.0
        for i in range(lane, axis1 if is_row else 0, lanes):
            g_i = g[i]
            m_i = m[i]
            # m <- g*(1 - beta1) + beta1*m
            m_new = one_minus_beta1 * g_i + beta1 * m_i
            sum_1_i = sum_1_i + float64(g_i)**2
            m[i] = m_new
        sum_1_i = sum_of(sum_1_i, lanes, scratch)
        if is_row and lane == 0:
            sum_1[here] = sum_1_i


@model_scalars
def adam_mini_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[9]
    c1 = 1.0 - lr * weight_decay
    model[11] = c1


@tensor_vectors
def adam_mini_tensor_scalars_2(arrays, model, tensor, scratch):
    """Scalars and vectors of a tensor, in float64, by all threads of a block."""
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
    for k in range(thread(), axis0, threads()):
        v_i = float64(v[k])
        sum_1_i = float64(sum_1[k])
        # v <- v*beta2 + sum_1*(1 - beta2)/dim1
        v_new_i = v_i * beta2 + sum_1_i * (1.0 - beta2) / dim1
        v_new[k] = v_new_i
        c2_i = lr / (1.0 - beta1 ** step) / (eps + sqrt(v_new_i / (1.0 - beta2 ** step)))
        c2[k] = c2_i
    sync()


@element_pass
def adam_mini_pass_2(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, m; writes p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    c1 = narrowed(model[11])  # -lr*weight_decay + 1
    c2 = float32_array(arrays[6], 0, axis0)
    lanes = lanes_for(axis1)
    lane = thread() % lanes
    groups = threads() // lanes
    row_count = count // axis1
    for turn in range((row_count + groups - 1) // groups):
        row_number = turn * groups + thread() // lanes
        is_row = row_number < row_count
        row_number = min(row_number, row_count - 1)
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        c2_i = c2[here]
        for i in range(lane, axis1 if is_row else 0, lanes):
            p_i = p[i]
            m_new = m[i]
            # p <- -lr*m_new/((eps + ...)*(... + 1)) + p*(-lr*weight_decay + 1)
            p_new = c1 * p_i - c2_i * m_new
            p[i] = p_new


@tensor_vectors
def adam_mini_tensor_scalars_3(arrays, model, tensor, scratch):
    """Scalars and vectors of a tensor, in float64, by all threads of a block."""
    axis0 = int64(tensor[2])
    v = float32_array(arrays[3], 0, axis0)
    v_new = float64_array(arrays[5], 0, axis0)
    for k in range(thread(), axis0, threads()):
        v[k] = v_new[k]
    sync()
