"""AdaGC: AdamW after clipping each tensor by its own past norms."""

from learnerdsl import (
    assign,
    combine,
    equal,
    let,
    maximum,
    minimum,
    norm,
    rule,
    sqrt,
    state,
    step,
    where,
)


@rule
def adagc(
    p,
    g,
    lr=1e-3,
    beta=0.98,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.1,
    lambda_abs=1.0,
    lambda_rel=1.05,
    warmup_steps=100.0,
):
    r"""AdaGC: adaptive gradient clipping, against spikes of the loss.

    During the first steps, $t = 1$ and all $t < T$, the gradients of the model are clipped
    together, and $\gamma$ is the least norm of the tensor so far:

    $$h = \min\left(1, \frac{\lambda_\mathrm{abs}}{\lVert g \rVert_\mathrm{model}+\epsilon}\right)
    \qquad \gamma \leftarrow \min(\gamma, h \lVert g \rVert)$$

    After that each tensor is clipped by itself, and $\gamma$ is a running mean of its norms:

    $$h = \min\left(1, \lambda_\mathrm{rel} \frac{\gamma}{\lVert g \rVert}\right) \qquad
    \gamma \leftarrow \beta \gamma + (1 - \beta)\, h \lVert g \rVert$$

    Then AdamW takes a step with $h g$; its decay is multiplied by the learning rate. Keeps batches
    with outliers from derailing the training of large models, at the cost of one more pass over the
    gradients. Where the norms of gradients grow fast for good reasons, it slows learning. Follows
    the paper, and `pytorch_optimizer.AdaGC` in its $\epsilon$ during the warm-up.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta: share $\beta$ of the mean norm that is kept.
        beta1: share of the mean gradient that is kept.
        beta2: share of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of AdamW and to the norm of the model, and the least
            norm of a tensor that counts.
        weight_decay: decoupled weight decay.
        lambda_abs: $\lambda_\mathrm{abs}$, the largest norm of the model during the first steps.
        lambda_rel: $\lambda_\mathrm{rel}$, how much a norm may exceed $\gamma$ afterwards.
        warmup_steps: $T$, the first step that is clipped tensor by tensor.

    State variables: `m` and `v`, the running means of the clipped gradient and of its square;
    `gamma`, the norm that each tensor is clipped by.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adagc
        >>> weights = np.ones(3, np.float32)
        >>> learner = adagc([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.89, 0.89, 0.89], dtype=float32)

    References:
        Wang et al., [AdaGC: Improving Training Stability for Large Language Model
        Pretraining](https://arxiv.org/abs/2502.11034), 2025.
    """
    m, v = state("m"), state("v")
    g_norm = norm(g)
    together = let("together", minimum(1, maximum(lambda_abs, 0) / (norm(g, over="model") + eps)))
    gamma = state("gamma", init=g_norm, shape="tensor")
    alone = minimum(1, maximum(lambda_rel, 0) * maximum(gamma, eps) / maximum(g_norm, eps))
    is_first = equal(step, 1) | (step < warmup_steps)
    h = let("h", where(is_first, together, alone))
    clipped = h * g_norm
    mean_norm = beta * gamma + (1 - beta) * clipped
    gamma_new = assign(gamma, where(is_first, minimum(gamma, clipped), mean_norm))
    m_new = assign(m, beta1 * m + (1 - beta1) * h * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * (h * g) ** 2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    p_new = assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * p))
    return combine([p_new, gamma_new])
