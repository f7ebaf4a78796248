"""The rule amos over p, g, in float32, for the CPU.

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
def amos_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    sum_1 = 0.0
    for i in range(count):
        g_i = g[i]
        sum_1 = accumulate(sum_1, float64(g_i)**2)
    sums[0] = sum_1


@tensor_scalars
def amos_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    lr = model[5]
    beta = model[6]
    scale = model[7]
    eps = model[8]
    size = tensor[0]
    q = tensor[2]
    b = tensor[3]
    sum_1 = tensor[4]
    # square <- sum_1/size
    square = sum_1 / size
    # q <- beta*q + square*(1 - beta)
    q_new = square * (1.0 - beta) + beta * q
    t1 = 1.0 / (eps + q_new)
    t2 = 1.0 - beta ** step
    # gamma <- lr**2*square*(1 - beta**step)/((eps + q_new)*sqrt(sqrt(lr)*b/4 + 1))
    gamma = t1 * t2 * square * lr**2 / sqrt(1.0 + 0.25 * b * sqrt(lr))
    # b <- gamma + b*(gamma + 1)
    b_new = gamma + b * (gamma + 1.0)
    c1 = 0.5 * gamma
    c2 = lr * scale * sqrt(t1 * t2)
    c3 = 1.0 / (1.0 + 0.25 * b * sqrt(lr * scale))
    tensor[5] = q_new
    tensor[6] = b_new
    tensor[7] = c1
    tensor[8] = c2
    tensor[9] = c3


@element_pass
def amos_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g; writes p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    c1 = float32(tensor[7])  # gamma/2
    c2 = float32(tensor[8])  # lr*scale*sqrt((1 - beta**step)/(eps + q_new))
    c3 = float32(tensor[9])  # 1/(b*sqrt(lr*scale)/4 + 1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        # p <- p - (g*lr*scale*sqrt((1 - beta**step)/(eps + q_new)) + gamma*p/2)/(b*sqrt(lr*scale)/4 + 1)
        p_new = p_i - c3 * (c1 * p_i + c2 * g_i)
        p[i] = p_new


@tensor_scalars
def amos_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    q_new = tensor[5]
    b_new = tensor[6]
    tensor[2] = q_new
    tensor[3] = b_new
