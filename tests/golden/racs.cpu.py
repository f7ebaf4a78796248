"""The rule racs over p, g, in float32, for the CPU.

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
def racs_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    chunk_rows = int64(tensor[4])
    part = first // chunk_rows
    sum_1 = float64_array(arrays[4], 0, axis0)
    sum_2_count = axis1
    sum_2_part = float64_array(arrays[5], axis1 + part * sum_2_count, sum_2_count)
    for k in range(sum_2_count):
        sum_2_part[k] = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        sum_2 = float64_array(arrays[5], axis1 + part * sum_2_count, axis1)
        sum_1_i = 0.0
        for i in range(axis1):
            g_i = g[i]
            sum_1_i = accumulate(sum_1_i, float64(g_i)**2)
            sum_2[i] += float64(g_i)**2
        sum_1[here] = sum_1_i


@tensor_scalars
def racs_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    beta = model[6]
    eps = model[9]
    dim0 = tensor[2]
    dim1 = tensor[3]
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    s = float32_array(arrays[2], 0, axis0)
    q = float32_array(arrays[3], 0, axis1)
    sum_1 = float64_array(arrays[4], 0, axis0)
    sum_2 = float64_array(arrays[5], 0, axis1)
    s_new = float64_array(arrays[6], 0, axis0)
    q_new = float64_array(arrays[7], 0, axis1)
    c1 = float32_array(arrays[8], 0, axis1)
    c2 = float32_array(arrays[9], 0, axis0)
    for k in range(axis1):
        sum_2[k] = 0.0
    for part in range(int64(tensor[5])):
        sum_2_count = axis1
        sum_2_part = float64_array(arrays[5], axis1 + part * sum_2_count, sum_2_count)
        for k in range(sum_2_count):
            sum_2[k] += sum_2_part[k]
    t1 = 1.0 - beta
    for k in range(axis0):
        s_i = float64(s[k])
        sum_1_i = float64(sum_1[k])
        # s <- s*beta + sum_1*(1 - beta)/dim1
        s_new_i = s_i * beta + t1 * sum_1_i / dim1
        s_new[k] = s_new_i
    for k in range(axis1):
        q_i = float64(q[k])
        sum_2_i = float64(sum_2[k])
        # q <- q*beta + sum_2*(1 - beta)/dim0
        q_new_i = q_i * beta + t1 * sum_2_i / dim0
        q_new[k] = q_new_i
        c1_i = 1.0 / sqrt(eps + q_new_i)
        c1[k] = c1_i
    for k in range(axis0):
        s_new_i = float64(s_new[k])
        c2_i = 1.0 / sqrt(eps + s_new_i)
        c2[k] = c2_i


@element_pass
def racs_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    c2 = float32_array(arrays[9], 0, axis0)
    sum_3 = 0.0
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        c2_i = c2[here]
        c1 = float32_array(arrays[8], 0, axis1)
        for i in range(axis1):
            g_i = g[i]
            c1_i = c1[i]
            # u <- g/(sqrt(eps + q_new)*sqrt(eps + s_new))
            u = c1_i * c2_i * g_i
            sum_3 = accumulate(sum_3, float64(u)**2)
    sums[0] = sum_3


@model_scalars
def racs_scalars_3(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    weight_decay = model[10]
    c3 = 1.0 - lr * weight_decay
    model[11] = c3


@tensor_scalars
def racs_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    alpha = model[7]
    gamma = model[8]
    eps = model[9]
    theta = tensor[6]
    sum_3 = tensor[7]
    t2 = eps + theta
    t3 = sqrt(sum_3)
    t4 = maximum(gamma, 0.0)
    # c <- where((step == 1) | (sqrt(sum_3)/(eps + theta) <= Max(gamma, 0)), 1, ...*...*...)
    c = (1.0 if (step == 1.0) or (t3 / t2 <= t4) else t2 * t4 / sqrt(sum_3))
    # theta <- c*sqrt(sum_3)
    theta_new = t3 * c
    c4 = alpha * lr * c
    tensor[8] = theta_new
    tensor[9] = c4


@element_pass
def racs_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    c3 = float32(model[11])  # -lr*weight_decay + 1
    c4 = float32(tensor[9])  # alpha*lr*c
    c2 = float32_array(arrays[9], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        c2_i = c2[here]
        c1 = float32_array(arrays[8], 0, axis1)
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            c1_i = c1[i]
            # u <- g/(sqrt(eps + q_new)*sqrt(eps + s_new))
            u = c1_i * c2_i * g_i
            # p <- -alpha*lr*c*u + p*(-lr*weight_decay + 1)
            p_new = c3 * p_i - c4 * u
            p[i] = p_new


@tensor_scalars
def racs_tensor_scalars_4(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    theta_new = tensor[8]
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    s = float32_array(arrays[2], 0, axis0)
    q = float32_array(arrays[3], 0, axis1)
    s_new = float64_array(arrays[6], 0, axis0)
    q_new = float64_array(arrays[7], 0, axis1)
    tensor[6] = theta_new
    for k in range(axis0):
        s[k] = s_new[k]
    for k in range(axis1):
        q[k] = q_new[k]
