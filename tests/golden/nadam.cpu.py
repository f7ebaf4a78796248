"""The rule nadam over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
    tensor_scalars,
)


@model_scalars
def nadam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    beta1 = model[6]
    beta2 = model[7]
    momentum_decay = model[10]
    # mu <- beta1*(1 - 0.5*0.96**(step*momentum_decay))
    mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * momentum_decay))
    # mu_next <- beta1*(1 - 0.5*0.96**(momentum_decay*(step + 1)))
    mu_next = beta1 * (1.0 - 0.5 * 0.96 ** (momentum_decay * (step + 1.0)))
    one_minus_beta1 = 1.0 - beta1
    one_minus_beta2 = 1.0 - beta2
    c1 = 1.0 / (1.0 - beta2 ** step)
    model[11] = mu
    model[12] = mu_next
    model[13] = one_minus_beta1
    model[14] = one_minus_beta2
    model[15] = c1


@tensor_scalars
def nadam_tensor_scalars_1(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    mu = model[11]
    mu_next = model[12]
    mu_product = tensor[2]
    # mu_product <- mu*mu_product
    mu_product_new = mu * mu_product
    c2 = (1.0 - mu) / (1.0 - mu_product_new)
    c3 = mu_next / (1.0 - mu_next * mu_product_new)
    tensor[3] = mu_product_new
    tensor[4] = c2
    tensor[5] = c3


@element_pass
def nadam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    beta1 = float32(model[6])
    beta2 = float32(model[7])
    eps = float32(model[8])
    weight_decay = float32(model[9])
    one_minus_beta1 = float32(model[13])  # 1 - beta1
    one_minus_beta2 = float32(model[14])  # 1 - beta2
    c1 = float32(model[15])  # 1/(1 - beta2**step)
    c2 = float32(tensor[4])  # (1 - mu)/(1 - mu_product_new)
    c3 = float32(tensor[5])  # mu_next/(-mu_next*mu_product_new + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        t1 = g_i + weight_decay * p_i
        # m <- beta1*m + (1 - beta1)*(g + weight_decay*p)
        m_new = one_minus_beta1 * t1 + beta1 * m_i
        # v <- beta2*v + (1 - beta2)*(g + weight_decay*p)**2
        v_new = one_minus_beta2 * t1**2 + beta2 * v_i
        # p <- -lr*(mu_next*m_new*... + ...*...*...)/(eps + ...) + p
        p_new = p_i - lr * (c2 * t1 + c3 * m_new) / (eps + sqrt(c1 * v_new))
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@tensor_scalars
def nadam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    mu_product_new = tensor[3]
    tensor[2] = mu_product_new
