"""The rule stable_adamw over p, g, m, v, in float32, for the CPU.

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


@model_scalars
def stable_adamw_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    eps = model[8]
    t1 = 1.0 / (1.0 - beta1 ** step)
    t2 = step - 1.0
    t3 = 1.0 - beta1 ** t2
    c1 = 1.0 - t1 * t3 * beta1
    c2 = t1 * t3 * beta1
    t4 = 1.0 / (1.0 - beta2 ** step)
    t5 = 1.0 - beta2 ** t2
    c3 = 1.0 - t4 * t5 * beta2
    c4 = t4 * t5 * beta2
    c5 = eps**2
    model[10] = c1
    model[11] = c2
    model[12] = c3
    model[13] = c4
    model[14] = c5


@element_pass
def stable_adamw_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g, m, v; writes m, v."""
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    c1 = float32(model[10])  # -beta1*(1 - beta1**(step - 1))/(1 - beta1**step) + 1
    c2 = float32(model[11])  # beta1*(1 - beta1**(step - 1))/(1 - beta1**step)
    c3 = float32(model[12])  # -beta2*(1 - beta2**(step - 1))/(1 - beta2**step) + 1
    c4 = float32(model[13])  # beta2*(1 - beta2**(step - 1))/(1 - beta2**step)
    c5 = float32(model[14])  # eps**2
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # m <- g*(-beta1*...*... + 1) + beta1*m*(1 - ...)/(... + 1)
        m_new = c1 * g_i + c2 * m_i
        t6 = g_i**2
        # v <- g**2*(-beta2*...*... + 1) + beta2*v*(1 - ...)/(... + 1)
        v_new = c3 * t6 + c4 * v_i
        sum_1 = accumulate(sum_1, float64(t6 / maximum(v_new, c5)))
        m[i] = m_new
        v[i] = v_new
    sums[0] = sum_1


@tensor_scalars
def stable_adamw_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    lr = model[5]
    weight_decay = model[9]
    size = tensor[0]
    sum_1 = tensor[2]
    # lr_t <- lr/Max(sqrt(sum_1/size), 1)
    lr_t = lr / maximum(sqrt(sum_1 / size), 1.0)
    c6 = 1.0 - weight_decay * lr_t
    tensor[3] = lr_t
    tensor[4] = c6


@element_pass
def stable_adamw_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, m, v; writes p."""
    p = float32_array(arrays[0], start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    eps = float32(model[8])
    lr_t = float32(tensor[3])
    c6 = float32(tensor[4])  # -weight_decay*lr_t + 1
    for i in range(count):
        p_i = p[i]
        m_new = m[i]
        v_new = v[i]
        # p <- -lr_t*m_new/(eps + sqrt(v_new)) + p*(-weight_decay*lr_t + 1)
        p_new = c6 * p_i - lr_t * m_new / (eps + sqrt(v_new))
        p[i] = p_new
