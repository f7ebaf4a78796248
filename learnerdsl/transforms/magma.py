"""Magma: updates of whole tensors dropped by chance, and damped where the gradient turns."""

from learnerdsl import assign, equal, exp, let, norm, state, sum, transform, uniform, where


@transform(place="after")
def magma(p, new, g, magma_beta=0.9, magma_tau=2.0, alignment_beta=0.9):
    r"""Drop every second update of a tensor by chance, and damp those against the momentum.

    $$m \leftarrow \beta m + (1 - \beta)\, g \qquad
    c = \frac{\langle m, g \rangle}{\lVert m \rVert \lVert g \rVert} \qquad
    s \leftarrow \beta_s s + (1 - \beta_s)\, \frac{1}{1 + e^{-c / \tau}}$$

    $$p' \leftarrow p + b s (p' - p) \qquad b \in \{0, 1\} \text{ with equal chance}$$

    with products and norms over one tensor, $s$ starting from 1, and a coin $b$ for each tensor and
    update. For Adam and its relatives on transformers, whose states see every gradient: it acts as
    a penalty of curvature. Leave out embeddings, as the authors do; a model of few tensors, such as
    a regression, is only slowed down. Follows `pytorch_optimizer.Magma` with `moment_key=None`: $m$
    is a mean of its own, not that of the rule.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        g: the gradient that the rule gets.
        magma_beta: share $\beta$ of the mean gradient that is kept.
        magma_tau: $\tau$, by which the cosine $c$ is divided.
        alignment_beta: share $\beta_s$ of the alignment $s$ that is kept.

    State variables: `magma_momentum`, $m$; `alignment`, $s$, of each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import adam
        >>> from learnerdsl.transforms import magma
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(adam, magma)([weights], lr=0.1)
        >>> for _ in range(4):
        ...     _ = learner.update([np.array([3, 0, -4], np.float32)])
        ...     print(weights.round(3))
        [1. 1. 1.]
        [1. 1. 1.]
        [0.91 1.   1.09]
        [0.823 1.    1.177]

    References:
        Joo et al., [On Surprising Effectiveness of Masking Updates in Adaptive
        Optimizers](https://arxiv.org/abs/2602.15322), 2026.
    """
    m, alignment = state("magma_momentum"), state("alignment", init=1, shape="tensor")
    m_new = assign(m, magma_beta * m + (1 - magma_beta) * g)
    lengths = let("lengths", norm(m_new) * norm(g))
    cosine = let("cosine", where(equal(lengths, 0), 0, sum(m_new * g) / lengths))
    target = 1 / (1 + exp(-cosine / magma_tau))
    alignment_new = assign(alignment, alignment_beta * alignment + (1 - alignment_beta) * target)
    coin = let("coin", where(uniform(shape="tensor") < 0.5, 1, 0))
    return p + coin * alignment_new * (new - p)
