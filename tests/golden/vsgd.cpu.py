"""The rule vsgd over p, g, mu, b_g, b_h, in float32, for the CPU.

Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.
"""

from learnerdsl.kernels.cpu import (
    element_pass,
    float32,
    float32_array,
    model_scalars,
    sqrt,
)


@model_scalars
def vsgd_scalars_1(model):
    """Scalars of the model, in float64."""
    step = model[0]
    ghattg = model[6]
    ps = model[7]
    tau1 = model[8]
    tau2 = model[9]
    t1 = 2.0 * ps
    c1 = 1.0 / (t1 + 1.0001)
    t2 = 1.0 / (t1 + 0.0001)
    c2 = 2.0 * t2 * ps
    c3 = 2.0 * t2 * ghattg * ps
    c4 = t1
    t3 = step ** (-tau1)
    c5 = t3
    c6 = 1.0 - t3
    c7 = 2.0 * ghattg * ps
    t4 = step ** (-tau2)
    c8 = t4
    c9 = 1.0 - t4
    model[12] = c1
    model[13] = c2
    model[14] = c3
    model[15] = c4
    model[16] = c5
    model[17] = c6
    model[18] = c7
    model[19] = c8
    model[20] = c9


@element_pass
def vsgd_pass_1(arrays, model, tensor, start, grad_start, count, sums):
    """Reads p, g, mu, b_g, b_h; writes mu, b_g, b_h, p."""
    p = float32_array(arrays[0], start, count)
    g = float32_array(arrays[1], grad_start, count)
    mu = float32_array(arrays[2], start, count)
    b_g = float32_array(arrays[3], start, count)
    b_h = float32_array(arrays[4], start, count)
    step = float32(model[0])
    lr = float32(model[5])
    eps = float32(model[10])
    weight_decay = float32(model[11])
    c1 = float32(model[12])  # 1/(2*ps + 1.0001)
    c2 = float32(model[13])  # 2*ps/(2*ps + 0.0001)
    c3 = float32(model[14])  # 2*ghattg*ps/(2*ps + 0.0001)
    c4 = float32(model[15])  # 2*ps
    c5 = float32(model[16])  # step**(-tau1)
    c6 = float32(model[17])  # 1 - 1/step**tau1
    c7 = float32(model[18])  # 2*ghattg*ps
    c8 = float32(model[19])  # step**(-tau2)
    c9 = float32(model[20])  # 1 - 1/step**tau2
    for i in range(count):
        p_i = p[i]
        g_i = g[i]
        mu_i = mu[i]
        b_g_i = b_g[i]
        b_h_i = b_h[i]
        # s <- where(step > 1, b_g/(2*ps + 1.0001), 2*ps/(2*ps + 0.0001))
        s = (c1 * b_g_i if step > float32(1.0) else c2)
        # h <- where(step > 1, b_h/(2*ps + 1.0001), 2*ghattg*ps/(2*ps + 0.0001))
        h = (c1 * b_h_i if step > float32(1.0) else c3)
        t5 = float32(1.0) / (h + s)
        # mu <- (g*s + h*mu)/(h + s)
        mu_new = t5 * (g_i * s + h * mu_i)
        # q <- h*s/(h + s)
        q = t5 * h * s
        # b_g <- b_g*(1 - 1/step**tau1) + (2*ps + q + (mu_new - mu)**2)/step**tau1
        b_g_new = c5 * (q + c4 + (mu_new - mu_i)**2) + c6 * b_g_i
        # b_h <- b_h*(1 - 1/step**tau2) + (2*ghattg*ps + q + (g - mu_new)**2)/step**tau2
        b_h_new = c8 * (q + c7 + (g_i - mu_new)**2) + c9 * b_h_i
        # p <- -lr*(weight_decay*p + mu_new/(eps + sqrt(q + mu_new**2))) + p
        p_new = p_i - lr * (mu_new / (eps + sqrt(q + mu_new**2)) + weight_decay * p_i)
        mu[i] = mu_new
        b_g[i] = b_g_new
        b_h[i] = b_h_new
        p[i] = p_new
