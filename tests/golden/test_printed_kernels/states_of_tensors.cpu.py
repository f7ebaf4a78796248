"""The rule novograd over p, g, m, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    accumulate_square,
    element_pass,
    float32,
    float32_array,
    float64,
    sqrt,
    tensor_scalars,
)


@element_pass
def novograd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate_square(sum_1, float64(g_i))
    sums[0] = sum_1


@tensor_scalars
def novograd_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta2 = model[7]
    eps = model[8]
    v = tensor[2]
    sum_1 = tensor[3]
    # v_old <- where(step == 1, sum_1, v)
    v_old = (sum_1 if step == 1.0 else v)
    # v <- beta2*v_old + sum_1*(1 - beta2)
    v_new = sum_1 * (1.0 - beta2) + beta2 * v_old
    # scale <- 1/(eps + sqrt(v_new))
    scale = 1.0 / (eps + sqrt(v_new))
    tensor[4] = v_new
    tensor[5] = scale


@element_pass
def novograd_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m; writes m, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    weight_decay = float32(model[9])
    scale = float32(tensor[5])
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        # m <- g*scale + beta1*m + weight_decay*p
        m_new = scale * g_i + beta1 * m_i + weight_decay * p_i
        # p <- -lr*m_new + p
        p_new = p_i - lr * m_new
        m[i] = m_new
        p[i] = p_new


@tensor_scalars
def novograd_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    v_new = tensor[4]
    tensor[2] = v_new
