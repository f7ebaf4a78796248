"""The rule lars_timm over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    sqrt,
    tensor_scalars,
)


@element_pass
def lars_timm_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes nothing."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(p_i)**2)
        sum_2 = accumulate(sum_2, float64(g_i)**2)
    sums[0] = sum_1
    sums[1] = sum_2


@tensor_scalars
def lars_timm_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    dampening = model[7]
    weight_decay = model[8]
    trust_coefficient = model[9]
    eps = model[10]
    sum_1 = tensor[2]
    sum_2 = tensor[3]
    t1 = sqrt(sum_1)
    t2 = sqrt(sum_2)
    # trust <- where(weight_decay == 0, 1, where((sqrt(sum_1) == 0) | (sqrt(sum_2) == 0), 1, ...))
    trust = (1.0 if weight_decay == 0.0 else (1.0 if (t1 == 0.0) or (t2 == 0.0) else t1 * trust_coefficient / (t2 + eps + t1 * weight_decay)))
    c1 = trust * (1.0 - dampening if step > 1.0 else 1.0)
    tensor[4] = c1


@element_pass
def lars_timm_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, b; writes b, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    momentum = float32(model[6])
    weight_decay = float32(model[8])
    c1 = float32(tensor[4])  # trust*where(step > 1, 1 - dampening, 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        b_i = b[i]
        # b <- momentum*b + trust*(g + weight_decay*p)*where(step > 1, 1 - dampening, 1)
        b_new = momentum * b_i + c1 * (g_i + weight_decay * p_i)
        # p <- -lr*b_new + p
        p_new = p_i - lr * b_new
        b[i] = b_new
        p[i] = p_new
