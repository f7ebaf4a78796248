"""SPlus: signs of the momentum in the eigenbasis of the gradient."""

from learnerdsl import (
    assign,
    combine,
    eigenvectors,
    equal,
    evaluate,
    identity,
    let,
    ndim,
    rule,
    sign,
    size,
    state,
    step,
    where,
)
from learnerdsl.learners._kronecker_parts import (
    grams,
    into,
    out_of,
    running_means,
    squares,
)
from learnerdsl.options import whole_from


@rule
def splus(
    p,
    g,
    lr=0.1,
    beta1=0.9,
    beta2=0.999,
    weight_decay=0.01,
    ema_rate=0.999,
    nonstandard_constant=0.001,
    every=100,
):
    r"""SPlus: signs of the momentum in the eigenbasis of the gradient, and averaged weights.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    u = Q_L \operatorname{sgn}(Q_L^\top m\, Q_R)\, Q_R^\top \qquad
    s = \frac{2}{\text{rows} + \text{cols}}$$

    $$p \leftarrow p - \eta s u \qquad a \leftarrow \gamma a + (1 - \gamma)\, p \qquad
    p \leftarrow (1 - \eta s \lambda)\, p \qquad \bar{p} = \frac{a}{1 - \gamma^t}$$

    $$L \leftarrow \beta_2 L + (1 - \beta_2)\, g g^\top \qquad
    R \leftarrow \beta_2 R + (1 - \beta_2)\, g^\top g$$

    $$\text{in update 1 and every 100:} \quad Q_L \leftarrow \mathrm{eigenvectors}(L) \qquad
    Q_R \leftarrow \mathrm{eigenvectors}(R)$$

    `learner.evaluation_parameters()` gives $\bar{p}$, by which the model should be judged. The
    first update has identities for $Q$. As signs have one size, a step is bounded by $\eta$
    however old the bases are, so they may be renewed rarely. For transformers and large batches;
    the authors advise 0.2 for $\eta$, the same for all widths. The step is long, and weights that
    are not averaged are noisy, so where the weights of training are those to use, choose `soap`.
    Follows the authors' code and `pytorch_optimizer.SPlus`, in which no basis is made for a side of
    more than 10000. Vectors move by $\eta s \operatorname{sgn}(m)$, with 0.001 for $s$; give
    embeddings to another rule, for which the authors' code has this $s$, too. Tensors of more than
    two axes, which are like vectors there, are stacks of matrices.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of $L$ and $R$ that is kept.
        weight_decay: decoupled weight decay $\lambda$, after the step.
        ema_rate: share $\gamma$ of the average weights that is kept.
        nonstandard_constant: $s$ of vectors.
        every: number of steps from one computation of $Q$ to the next.

    State variables: `m`; `average`, $a$; of matrices also `left` and `right`, $L$ and $R$, and
        their bases `left_basis` and `right_basis`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import splus
        >>> weights = np.eye(2)
        >>> learner = splus([weights], lr=0.1, weight_decay=0.0)
        >>> for _ in range(2):
        ...     _ = learner.update([np.array([[2.0, 1.0], [0.0, 1.0]])])
        >>> weights.round(3)
        array([[ 0.887, -0.018],
               [-0.032,  0.887]])
        >>> learner.evaluation_parameters()[0].round(3)
        array([[ 0.918, -0.034],
               [-0.016,  0.918]])

    References:
        Frans, Levine and Abbeel, [A Stable Whitening Optimizer for Efficient Neural Network
        Training](https://arxiv.org/abs/2506.07254), 2025.
    """
    m, average = state("m"), state("average")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    results = []
    if ndim(p) < 2:
        u, rate = sign(m_new), lr * nonstandard_constant
    else:
        q = squares("_basis", (identity("rows"), identity("cols")))
        u = out_of(q, let("signs", sign(into(q, m_new))))
        rate = lr * 2 / (size(p, axis=-2) + size(p, axis=-1))
        matrices_new = running_means(squares(), beta2, grams(g))
        is_due = equal(step, 1) | equal(step % whole_from(1, "every", every), 0)
        results = [
            assign(q[k], where(is_due, eigenvectors(matrices_new[k]), q[k])) for k in range(2)
        ]
    moved = let("moved", p - rate * u)
    average_new = assign(average, ema_rate * average + (1 - ema_rate) * moved)
    total = 1 - ema_rate**step
    evaluate(where(equal(total, 0), p, average_new / total))
    p_new = assign(p, (1 - rate * weight_decay) * moved)
    return combine([p_new, average_new, *results])
