"""The rule fromage over p, g, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@element_pass
def fromage_pass_1(arrays, model, tensor, start, grad_start, count, sums):
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


@model_scalars
def fromage_scalars_2(model):
    """Scalars of the model, in float64."""
    lr = model[5]
    c2 = 1.0 / sqrt(1.0 + lr**2)
    model[7] = c2


@tensor_scalars
def fromage_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    min_norm = model[6]
    sum_1 = tensor[2]
    sum_2 = tensor[3]
    t1 = maximum(sqrt(sum_1), min_norm)
    t2 = maximum(sqrt(sum_2), min_norm)
    # trust <- where((Max(sqrt(sum_1), min_norm) == 0) | (Max(sqrt(sum_2), min_norm) == 0), 1, ...*...)
    trust = (1.0 if (t1 == 0.0) or (t2 == 0.0) else t1 / t2)
    c1 = lr * trust
    tensor[4] = c1


@element_pass
def fromage_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    c2 = float32(model[7])  # 1/sqrt(lr**2 + 1)
    c1 = float32(tensor[4])  # lr*trust
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- (-g*lr*trust + p)/sqrt(lr**2 + 1)
        p_new = c2 * (p_i - c1 * g_i)
        p[i] = p_new
