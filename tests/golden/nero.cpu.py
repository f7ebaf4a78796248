"""The rule nero over p, g, in float32, for the CPU.

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
    sqrt,
    tensor_scalars,
)


@element_pass
def nero_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    sum_1 = float64_array(arrays[5], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        g = float32_array(arrays[1], grad_start + offset, axis1)
        sum_1_i = 0.0
        for i in range(axis1):
            g_i = g[i]
            sum_1_i = accumulate(sum_1_i, float64(g_i)**2)
        sum_1[here] = sum_1_i


@tensor_scalars
def nero_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta = model[6]
    eps = model[7]
    scale = tensor[4]
    axis0 = int64(tensor[2])
    v = float32_array(arrays[2], 0, axis0)
    length = float32_array(arrays[4], 0, axis0)
    sum_1 = float64_array(arrays[5], 0, axis0)
    v_new = float64_array(arrays[8], 0, axis0)
    c1 = float32_array(arrays[9], 0, axis0)
    c2 = float32_array(arrays[10], 0, axis0)
    for k in range(axis0):
        v_i = float64(v[k])
        length_i = float64(length[k])
        sum_1_i = float64(sum_1[k])
        # v <- v*beta + sum_1*(1 - beta)
        v_new_i = sum_1_i * (1.0 - beta) + v_i * beta
        v_new[k] = v_new_i
        c1_i = lr * scale / (eps + sqrt(v_new_i / (1.0 - beta ** step)))
        c1[k] = c1_i
        c2_i = 1.0 / length_i
        c2[k] = c2_i


@element_pass
def nero_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes nothing."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    step = float32(model[0])
    centre = float32_array(arrays[3], 0, axis0)
    c1 = float32_array(arrays[9], 0, axis0)
    c2 = float32_array(arrays[10], 0, axis0)
    sum_2 = float64_array(arrays[6], 0, axis0)
    sum_3 = float64_array(arrays[7], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        centre_i = centre[here]
        c1_i = c1[here]
        c2_i = c2[here]
        sum_2_i = 0.0
        sum_3_i = 0.0
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            # x <- -g*lr*scale/(eps + ...) + where(step == 1, (p + ...)/length, p)
            x = (c2_i * (p_i - centre_i) if step == float32(1.0) else p_i) - c1_i * g_i
            sum_2_i = accumulate(sum_2_i, float64(x))
            sum_3_i = accumulate(sum_3_i, float64(x)**2)
        sum_2[here] = sum_2_i
        sum_3[here] = sum_3_i


@tensor_scalars
def nero_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    eps = model[7]
    dim1 = tensor[3]
    axis0 = int64(tensor[2])
    sum_2 = float64_array(arrays[6], 0, axis0)
    sum_3 = float64_array(arrays[7], 0, axis0)
    t1 = float64_array(arrays[11], 0, axis0)
    c3 = float32_array(arrays[12], 0, axis0)
    c4 = float32_array(arrays[13], 0, axis0)
    for k in range(axis0):
        sum_2_i = float64(sum_2[k])
        sum_3_i = float64(sum_3[k])
        t1_i = sum_2_i / dim1
        t1[k] = t1_i
        c3_i = t1_i
        c3[k] = c3_i
        c4_i = 1.0 / (eps + sqrt(maximum(sum_3_i - dim1 * t1_i**2, 0.0)))
        c4[k] = c4_i


@element_pass
def nero_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    step = float32(model[0])
    centre = float32_array(arrays[3], 0, axis0)
    c1 = float32_array(arrays[9], 0, axis0)
    c2 = float32_array(arrays[10], 0, axis0)
    c3 = float32_array(arrays[12], 0, axis0)
    c4 = float32_array(arrays[13], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        centre_i = centre[here]
        c1_i = c1[here]
        c2_i = c2[here]
        c3_i = c3[here]
        c4_i = c4[here]
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            # x <- -g*lr*scale/(eps + ...) + where(step == 1, (p + ...)/length, p)
            x = (c2_i * (p_i - centre_i) if step == float32(1.0) else p_i) - c1_i * g_i
            # p <- (x - sum_2/dim1)/(eps + sqrt(Max(-dim1*(sum_2/dim1)**2 + sum_3, 0)))
            p_new = c4_i * (x - c3_i)
            p[i] = p_new


@tensor_scalars
def nero_tensor_scalars_4(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    axis0 = int64(tensor[2])
    v = float32_array(arrays[2], 0, axis0)
    v_new = float64_array(arrays[8], 0, axis0)
    for k in range(axis0):
        v[k] = v_new[k]
