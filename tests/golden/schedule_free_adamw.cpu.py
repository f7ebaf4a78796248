"""The rule schedule_free_adamw over p, g, z, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    minimum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def schedule_free_adamw_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta2 = model[7]
    warmup_steps = model[10]
    # lr_t <- lr*Min(1, step/Max(1, warmup_steps))
    lr_t = lr * minimum(1.0, step / maximum(1.0, warmup_steps))
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    model[13] = lr_t
    model[14] = one_minus_beta2
    model[15] = c1


@tensor_scalars
def schedule_free_adamw_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta1 = model[6]
    r = model[11]
    weight_lr_power = model[12]
    lr_t = model[13]
    lr_max = tensor[2]
    weight_sum = tensor[3]
    # lr_max <- Max(lr_max, lr_t)
    lr_max_new = maximum(lr_max, lr_t)
    # weight <- step**r*lr_max_new**weight_lr_power
    weight = step ** r * lr_max_new ** weight_lr_power
    # weight_sum <- weight + weight_sum
    weight_sum_new = weight + weight_sum
    # share <- where(weight_sum_new == 0, 0, weight/weight_sum_new)
    share = (0.0 if weight_sum_new == 0.0 else weight / weight_sum_new)
    c2 = lr_t * (1.0 - beta1 * (1.0 - share))
    tensor[4] = lr_max_new
    tensor[5] = weight_sum_new
    tensor[6] = share
    tensor[7] = c2


@element_pass
def schedule_free_adamw_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, z, v; writes v, z, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    z = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    lr_t = float32(model[13])
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c1 = float32(model[15])  # 1/(1 - beta2**step)
    share = float32(tensor[6])
    c2 = float32(tensor[7])  # lr_t*(-beta1*(1 - share) + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        z_i = z[i]
        v_i = v[i]
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # u <- g/(eps + sqrt(v_new/(1 - beta2**step))) + weight_decay*p
        u = g_i / (eps + sqrt(c1 * v_new)) + weight_decay * p_i
        # z <- -lr_t*u + z
        z_new = z_i - lr_t * u
        # p <- -lr_t*u*(-beta1*(1 - share) + 1) + share*(-p + z) + p
        p_new = p_i + share * (z_i - p_i) - c2 * u
        v[i] = v_new
        z[i] = z_new
        p[i] = p_new


@tensor_scalars
def schedule_free_adamw_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr_max_new = tensor[4]
    weight_sum_new = tensor[5]
    tensor[2] = lr_max_new
    tensor[3] = weight_sum_new
