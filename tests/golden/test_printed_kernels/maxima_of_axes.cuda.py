"""The rule sm3 over p, g, m, in float32, for CUDA.

Written by learnerdsl; changes are lost. A block of threads does a chunk of a tensor.
"""

from learnerdsl.kernels.cuda import (
    element_pass,
    float32,
    float32_array,
    float64,
    float64_array,
    inf,
    int64,
    lanes_for,
    maximum,
    maximum_of,
    minimum,
    model_scalars,
    narrowed,
    sqrt,
    sync,
    tensor_vectors,
    thread,
    threads,
)


@model_scalars
def sm3_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    one_minus_momentum = 1.0 - momentum
    model[8] = one_minus_momentum


@element_pass
def sm3_pass_1(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads p, g, m; writes m, p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    lr = narrowed(model[5])
    momentum = narrowed(model[6])
    eps = narrowed(model[7])
    one_minus_momentum = narrowed(model[8])  # 1 - momentum
    v0 = float32_array(arrays[3], 0, axis0)
    chunk_rows = int64(tensor[4])
    max_1 = float64_array(arrays[5], 0, axis0)
    lanes = lanes_for(axis1)
    lane = thread() % lanes
    groups = threads() // lanes
    row_count = count // axis1
    parts_here = (row_count + chunk_rows - 1) // chunk_rows
    for turn in range((parts_here + groups - 1) // groups):
        own = turn * groups + thread() // lanes
        part = first // chunk_rows + own
        max_2_count = axis1 if own < parts_here else 0
        max_2_part = float64_array(arrays[6], axis1 + part * max_2_count, max_2_count)
        for k in range(lane, max_2_count, lanes):
            max_2_part[k] = -inf
        sync()
        row_turns = min(chunk_rows, row_count - turn * groups * chunk_rows)
        for row_turn in range(row_turns):
            row_number = own * chunk_rows + row_turn
            is_row = row_number < row_count
            row_number = min(row_number, row_count - 1)
            here = first + row_number
            offset = row_number * axis1
            p = float32_array(arrays[0], start + offset, axis1)
            g = float32_array(arrays[1], grad_start + offset, axis1)
            m = float32_array(arrays[2], start + offset, axis1)
            v0_i = v0[here]
            v1 = float32_array(arrays[4], 0, axis1)
            max_2 = float64_array(arrays[6], axis1 + part * max_2_count, axis1)
            max_1_i = -inf
            for i in range(lane, axis1 if is_row else 0, lanes):
                p_i = p[i]
                g_i = g[i]
                m_i = m[i]
                v1_i = v1[i]
                # nu <- g**2 + Min(v0, v1)
                nu = g_i**2 + minimum(v0_i, v1_i)
                # m <- momentum*m + (1 - momentum)*where(nu > 0, g/sqrt(eps + nu), 0)
                m_new = one_minus_momentum * (g_i / sqrt(nu + eps) if nu > float32(0.0) else float32(0.0)) + momentum * m_i
                # p <- -lr*m_new + p
                p_new = p_i - lr * m_new
                max_1_i = maximum(max_1_i, float64(nu))
                max_2[i] = maximum(max_2[i], float64(nu))
                m[i] = m_new
                p[i] = p_new
            max_1_i = maximum_of(max_1_i, lanes, scratch)
            if is_row and lane == 0:
                max_1[here] = max_1_i


@tensor_vectors
def sm3_tensor_scalars_2(arrays, model, tensor, scratch):
    """Scalars and vectors of a tensor, in float64, by all threads of a block."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    v0 = float32_array(arrays[3], 0, axis0)
    v1 = float32_array(arrays[4], 0, axis1)
    max_1 = float64_array(arrays[5], 0, axis0)
    max_2 = float64_array(arrays[6], 0, axis1)
    v0_new = float64_array(arrays[7], 0, axis0)
    v1_new = float64_array(arrays[8], 0, axis1)
    for k in range(thread(), axis0, threads()):
        max_1_i = float64(max_1[k])
        # v0 <- max_1
        v0_new_i = max_1_i
        v0_new[k] = v0_new_i
    sync()
    for k in range(thread(), axis1, threads()):
        max_2_i = float64(max_2[k])
        # v1 <- max_2
        v1_new_i = max_2_i
        v1_new[k] = v1_new_i
    sync()
    for k in range(thread(), axis0, threads()):
        v0[k] = v0_new[k]
    sync()
    for k in range(thread(), axis1, threads()):
        v1[k] = v1_new[k]
    sync()
