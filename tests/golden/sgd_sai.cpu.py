"""The rule sgd_sai over p, g, b, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def sgd_sai_scalars_1(model):
    """Scalars of the model, in float64."""
    momentum = model[6]
    one_minus_momentum = 1.0 - momentum
    model[9] = one_minus_momentum


@element_pass
def sgd_sai_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, b; writes b."""
    g = float32_array(arrays[1], grad_start, count)
    b = float32_array(arrays[2], start, count)
    momentum = float32(model[6])
    one_minus_momentum = float32(model[9])  # 1 - momentum
    sum_1 = 0.0
    sum_2 = 0.0
    for i in range(count):
        g_i = g[i]
        b_i = b[i]
        # b <- g*(1 - momentum) + momentum*b
        b_new = one_minus_momentum * g_i + momentum * b_i
        sum_1 = accumulate(sum_1, float64(g_i))
        sum_2 = accumulate(sum_2, float64(g_i)**2)
        b[i] = b_new
    sums[0] = sum_1
    sums[1] = sum_2


@tensor_scalars
def sgd_sai_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    eps = model[7]
    size = tensor[0]
    ratio = tensor[2]
    sum_1 = tensor[3]
    sum_2 = tensor[4]
    t1 = sum_2 - sum_1**2 / size
    t2 = sqrt(sum_2)
    # ratio_old <- where(step == 1, ..., ratio)
    ratio_old = ((t2 if (size < 2.0) or (t1 <= 1e-12 * sum_2) else t2 / (eps + sqrt(t1 / (size - 1.0)))) if step == 1.0 else ratio)
    # ratio <- ratio_old
    ratio_new = ratio_old
    tensor[5] = ratio_new


@element_pass
def sgd_sai_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, b; writes p."""
    p = float32_array(arrays[0], start, count)
    b = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    weight_decay = float32(model[8])
    ratio_new = float32(tensor[5])
    for i in range(count):
        p_i = p[i]
        b_new = b[i]
        # p <- -lr*(weight_decay*p + b_new*ratio_new) + p
        p_new = p_i - lr * (weight_decay * p_i + ratio_new * b_new)
        p[i] = p_new


@tensor_scalars
def sgd_sai_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    ratio_new = tensor[5]
    tensor[2] = ratio_new
