"""Rules that several tests use: the one of the documentation, and ones with reductions."""

import learnerdsl as ld


@ld.rule
def my_rmsprop(p, g, lr=0.01, rho=0.999):
    """RMSProp with a warm accumulator."""
    a = ld.state("a", init=1e-6)
    a_new = ld.assign(a, rho * a + (1 - rho) * g**2)
    return ld.assign(p, p - lr * g / ld.sqrt(a_new))


@ld.rule
def clipped_adamw_ema(
    p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, max_norm=1.0, decay=0.99
):
    """Clip by the global norm, AdamW, and an average of the weights."""
    clipped = g * ld.minimum(1, max_norm / ld.norm(g, over="model"))
    m, v, average = ld.state("m"), ld.state("v"), ld.state("average", init=p)
    m_new = ld.assign(m, beta1 * m + (1 - beta1) * clipped)
    v_new = ld.assign(v, beta2 * v + (1 - beta2) * clipped**2)
    m_hat = m_new / (1 - beta1**ld.step)
    v_hat = v_new / (1 - beta2**ld.step)
    p_new = ld.assign(p, p - lr * (m_hat / (ld.sqrt(v_hat) + eps) + weight_decay * p))
    return ld.assign(average, decay * average + (1 - decay) * p_new)


@ld.rule
def largest_gradients(p, g, lr=0.1, keep=0.9):
    """Reductions and states of every kind: a maximum of each tensor and one of the model."""
    peak, top = ld.state("peak", shape="tensor"), ld.state("top", init=1.0, shape="model")
    peak_new = ld.assign(peak, ld.maximum(keep * peak, ld.max(ld.abs(g))))
    top_new = ld.assign(top, keep * top + (1 - keep) * ld.mean(g**2, over="model"))
    scale = 1 / (peak_new + ld.sqrt(top_new) + 1 / ld.size(p))
    return ld.assign(p, p - lr * scale * g)
