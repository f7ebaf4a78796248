"""The rule ranger over p, g, m, v, slow, in float32, for the CPU.

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
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def ranger_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta2 = model[7]
    threshold = model[11]
    t1 = 2.0 / (1.0 - beta2)
    t2 = beta2 ** step
    t3 = 1.0 - t2
    # rho <- -2*step*beta2**step/(1 - beta2**step) - 1 + 2/(1 - beta2)
    rho = t1 - 1.0 - 2.0 * t2 * step / t3
    # rectification <- where(rho >= threshold, sqrt(...*...*...*...*...*...)*sqrt(... + 1), 0)
    rectification = (sqrt((t1 - 1.0) * (rho - 4.0) * (rho - 2.0) / rho / (t1 - 5.0) / (t1 - 3.0)) * sqrt(t3) if rho >= threshold else 0.0)
    model[12] = rectification


@element_pass
def ranger_pass_1(arrays, model, tensor, start, grad_start, count, sums):
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
            sum_1_i = accumulate(sum_1_i, float64(g_i))
        sum_1[here] = sum_1_i


@model_scalars
def ranger_scalars_2(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta1 = model[6]
    beta2 = model[7]
    weight_decay = model[9]
    rectification = model[12]
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c2 = 1.0 - lr * weight_decay
    c3 = (1.0 if rectification > 0.0 else 0.0)
    c4 = lr / (1.0 - beta1 ** step)
    c5 = (1.0 if step % 6.0 == 0.0 else 0.0)
    model[13] = one_minus_beta1
    model[14] = one_minus_beta2
    model[15] = c2
    model[16] = c3
    model[17] = c4
    model[18] = c5


@tensor_scalars
def ranger_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    dim1 = tensor[3]
    axis0 = int64(tensor[2])
    sum_1 = float64_array(arrays[5], 0, axis0)
    c1 = float32_array(arrays[6], 0, axis0)
    for k in range(axis0):
        sum_1_i = float64(sum_1[k])
        c1_i = sum_1_i / dim1
        c1[k] = c1_i


@element_pass
def ranger_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v, slow; writes m, v, slow, p."""
    axis0 = int64(tensor[2])
    axis1 = int64(tensor[3])
    first = start // axis1
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    alpha = float32(model[10])
    rectification = float32(model[12])
    one_minus_beta1 = float32(model[13])  # 1 - beta1
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c2 = float32(model[15])  # -lr*weight_decay + 1
    c3 = float32(model[16])  # where(rectification > 0, 1, 0)
    c4 = float32(model[17])  # lr/(1 - beta1**step)
    c5 = float32(model[18])  # where(Mod(step, 6) == 0, 1, 0)
    c1 = float32_array(arrays[6], 0, axis0)
    for row_number in range(count // axis1):
        here = first + row_number
        offset = row_number * axis1
        p = float32_array(arrays[0], start + offset, axis1)
        g = float32_array(arrays[1], grad_start + offset, axis1)
        m = float32_array(arrays[2], start + offset, axis1)
        v = float32_array(arrays[3], start + offset, axis1)
        slow = float32_array(arrays[4], start + offset, axis1)
        c1_i = c1[here]
        for i in range(axis1):
            p_i = p[i]
            g_i = g[i]
            m_i = m[i]
            v_i = v[i]
            slow_i = slow[i]
            # centred <- g - sum_1/dim1
            centred = g_i - c1_i
            # m <- beta1*m + centred*(1 - beta1)
            m_new = one_minus_beta1 * centred + beta1 * m_i
            # v <- beta2*v + centred**2*(1 - beta2)
            v_new = one_minus_beta2 * centred**2 + beta2 * v_i
            # fast <- -lr*m_new*where(rectification > 0, ..., 1)/... + p*(... + 1)
            fast = c2 * p_i - c4 * m_new * (rectification / (eps + sqrt(v_new)) if c3 > float32(0.0) else float32(1.0))
            # slow <- where(Mod(step, 6) == 0, alpha*(fast - slow) + slow, slow)
            slow_new = (slow_i + alpha * (fast - slow_i) if c5 > float32(0.0) else slow_i)
            # p <- where(Mod(step, 6) == 0, slow_new, fast)
            p_new = (slow_new if c5 > float32(0.0) else fast)
            m[i] = m_new
            v[i] = v_new
            slow[i] = slow_new
            p[i] = p_new
