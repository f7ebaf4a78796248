"""The rule stable_spam over p, g, m, v, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    abs,
    accumulate,
    element_pass,
    float32,
    float32_array,
    float64,
    inf,
    larger,
    model_scalars,
    nan,
    sqrt,
    tensor_scalars,
)


@model_scalars
def stable_spam_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    reset_interval = model[13]
    t1 = step % reset_interval
    # keep <- where(Mod(step, reset_interval) == 0, 0, 1)
    keep = (0.0 if t1 == 0.0 else 1.0)
    # t <- where(step < reset_interval, step, Mod(step, reset_interval) + 1)
    t = (step if step < reset_interval else t1 + 1.0)
    model[14] = keep
    model[15] = t


@element_pass
def stable_spam_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    max_1 = -inf
    max_1_nan = False
    for i in range(count):
        g_i = g[i]
        max_1_i = float64(abs(g_i))
        max_1 = larger(max_1, max_1_i)
        max_1_nan |= max_1_i != max_1_i
    sums[0] = nan if max_1_nan else max_1


@tensor_scalars
def stable_spam_tensor_scalars_2(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    theta = model[10]
    largest = tensor[2]
    max_1 = tensor[5]
    # largest <- theta*largest + max_1*(1 - theta)
    largest_new = max_1 * (1.0 - theta) + theta * largest
    # x_hat <- largest_new/(1 - theta**step)
    x_hat = largest_new / (1.0 - theta ** step)
    # clip <- where(max_1 == 0, 1, x_hat/max_1)
    clip = (1.0 if max_1 == 0.0 else x_hat / max_1)
    tensor[7] = largest_new
    tensor[8] = x_hat
    tensor[9] = clip


@element_pass
def stable_spam_pass_2(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = float32_array(arrays[1], grad_start, count)
    x_hat = float32(tensor[8])
    clip = float32(tensor[9])
    sum_2 = 0.0
    for i in range(count):
        g_i = g[i]
        # clipped <- where(Abs(g) > x_hat, g*clip, g)
        clipped = (clip * g_i if abs(g_i) > x_hat else g_i)
        sum_2 = accumulate(sum_2, float64(clipped)**2)
    sums[1] = sum_2


@model_scalars
def stable_spam_scalars_3(model):
    """Scalars of the model, in float64."""
    beta1 = model[6]
    beta2 = model[7]
    keep = model[14]
    t = model[15]
    c2 = beta1 * keep
    one_minus_beta2 = 1.0 - beta2
    c3 = beta2 * keep
    c4 = 1.0 / (1.0 - beta2 ** t)
    c5 = 1.0 / (1.0 - beta1 ** t)
    model[16] = c2
    model[17] = one_minus_beta2
    model[18] = c3
    model[19] = c4
    model[20] = c5


@tensor_scalars
def stable_spam_tensor_scalars_3(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    step = model[0]
    beta1 = model[6]
    gamma1 = model[8]
    gamma2 = model[9]
    eps = model[11]
    mean_norm = tensor[3]
    mean_square = tensor[4]
    sum_2 = tensor[6]
    # g_norm <- sqrt(sum_2)
    g_norm = sqrt(sum_2)
    # mean_norm <- gamma1*mean_norm + g_norm*(1 - gamma1)
    mean_norm_new = g_norm * (1.0 - gamma1) + gamma1 * mean_norm
    # mean_square <- gamma2*mean_square + g_norm**2*(1 - gamma2)
    mean_square_new = g_norm**2 * (1.0 - gamma2) + gamma2 * mean_square
    # scale <- where(g_norm == 0, 1, mean_norm_new/(g_norm*(eps + ...)*(... + 1)))
    scale = (1.0 if g_norm == 0.0 else mean_norm_new / g_norm / (1.0 - gamma1 ** step) / (eps + sqrt(mean_square_new / (1.0 - gamma2 ** step))))
    c1 = scale * (1.0 - beta1)
    tensor[10] = mean_norm_new
    tensor[11] = mean_square_new
    tensor[12] = scale
    tensor[13] = c1


@element_pass
def stable_spam_pass_3(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, m, v; writes m, v, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    m = float32_array(arrays[2], start, count)
    v = float32_array(arrays[3], start, count)
    lr = float32(model[5])
    eps = float32(model[11])
    weight_decay = float32(model[12])
    c2 = float32(model[16])  # beta1*keep
    one_minus_beta2 = float32(model[17])  # 1 - beta2
    c3 = float32(model[18])  # beta2*keep
    c4 = float32(model[19])  # 1/(1 - beta2**t)
    c5 = float32(model[20])  # 1/(1 - beta1**t)
    x_hat = float32(tensor[8])
    clip = float32(tensor[9])
    scale = float32(tensor[12])
    c1 = float32(tensor[13])  # scale*(1 - beta1)
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        m_i = m[i]
        v_i = v[i]
        # clipped <- where(Abs(g) > x_hat, g*clip, g)
        clipped = (clip * g_i if abs(g_i) > x_hat else g_i)
        # m <- beta1*keep*m + clipped*scale*(1 - beta1)
        m_new = c1 * clipped + c2 * m_i
        # v <- beta2*keep*v + (clipped*scale)**2*(1 - beta2)
        v_new = one_minus_beta2 * (scale * clipped)**2 + c3 * v_i
        # p <- -lr*(weight_decay*p + m_new/((1 - beta1**t)*(eps + sqrt(v_new/(1 - beta2**t))))) + p
        p_new = p_i - lr * (weight_decay * p_i + c5 * m_new / (eps + sqrt(c4 * v_new)))
        m[i] = m_new
        v[i] = v_new
        p[i] = p_new


@tensor_scalars
def stable_spam_tensor_scalars_4(arrays, model, tensor):
    """Scalars of a tensor, in float64."""
    largest_new = tensor[7]
    mean_norm_new = tensor[10]
    mean_square_new = tensor[11]
    tensor[2] = largest_new
    tensor[3] = mean_norm_new
    tensor[4] = mean_square_new
