"""The rule schedule_free_radam over p, g, z, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    maximum,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def schedule_free_radam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    lr = model[5]
    beta2 = model[7]
    t1 = 1.0 - beta2
    # rho_inf <- -1 + 2/(1 - beta2)
    rho_inf = 2.0 / t1 - 1.0
    t2 = beta2 ** step
    t3 = 1.0 / (1.0 - t2)
    # rho <- -2*step*beta2**step/(1 - beta2**step) + rho_inf
    rho = rho_inf - 2.0 * t3 * t2 * step
    # lr_t <- lr*where(rho > 4, sqrt(rho_inf*(rho - 4)*(rho - 2)/(rho*(rho_inf - 4)*(rho_inf - 2))), 0)
    lr_t = lr * (sqrt(rho_inf * (rho - 4.0) * (rho - 2.0) / rho / (rho_inf - 4.0) / (rho_inf - 2.0)) if rho > 4.0 else 0.0)
    one_minus_beta2 = t1
    c1 = (1.0 if rho > 4.0 else 0.0)
    c2 = t3
    model[12] = lr_t
    model[13] = one_minus_beta2
    model[14] = c1
    model[15] = c2


@tensor_scalars
def schedule_free_radam_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta1 = model[6]
    r = model[10]
    weight_lr_power = model[11]
    lr_t = model[12]
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
    c3 = lr_t * (1.0 - beta1 * (1.0 - share))
    tensor[4] = lr_max_new
    tensor[5] = weight_sum_new
    tensor[6] = share
    tensor[7] = c3


@element_pass
def schedule_free_radam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, z, v; writes v, z, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    z = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    lr_t = float32(model[12])
    one_minus_beta2 = float32(model[13])  # 1 - beta2
    c1 = float32(model[14])  # where(rho > 4, 1, 0)
    c2 = float32(model[15])  # 1/(1 - beta2**step)
    share = float32(tensor[6])
    c3 = float32(tensor[7])  # lr_t*(-beta1*(1 - share) + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        z_i = z[i]
        v_i = v[i]
        # v <- g**2*(1 - beta2) + beta2*v
        v_new = one_minus_beta2 * g_i**2 + beta2 * v_i
        # u <- weight_decay*p + where(rho > 4, g/(eps + sqrt(v_new/(1 - beta2**step))), g)
        u = weight_decay * p_i + (g_i / (eps + sqrt(c2 * v_new)) if c1 > float32(0.0) else g_i)
        # z <- -lr_t*u + z
        z_new = z_i - lr_t * u
        # p <- -lr_t*u*(-beta1*(1 - share) + 1) + share*(-p + z) + p
        p_new = p_i + share * (z_i - p_i) - c3 * u
        v[i] = v_new
        z[i] = z_new
        p[i] = p_new


@tensor_scalars
def schedule_free_radam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr_max_new = tensor[4]
    weight_sum_new = tensor[5]
    tensor[2] = lr_max_new
    tensor[3] = weight_sum_new
