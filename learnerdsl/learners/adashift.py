"""AdaShift: Adam whose rates come from gradients that its steps do not contain."""

from learnerdsl import abs, assign, combine, let, max, rule, sqrt, state, step, where


@rule
def adashift(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-10, keep_num=10):
    r"""AdaShift: the second moment is taken from the gradient of $n$ steps ago.

    $$m = \frac{\sum_{i=0}^{n-1} \beta_1^i g_{t-i}}{\sum_{i=0}^{n-1} \beta_1^i} \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2) \max g_{t-n}^2 \qquad
    p \leftarrow p - \eta \frac{m}{\sqrt{v / (1 - \beta_2^{t-n})} + \epsilon}$$

    with the maximum over the tensor; the first $n$ steps do not move. Because $v$ and $m$ have no
    gradient in common, a rare large gradient does not lower its own rate, which is how Adam can
    fail to converge. All elements of a tensor share a rate, so the gain from separate rates is
    lost, and $n$ gradients are stored. Follows the paper with the maximum for its $\phi$, and
    `pytorch_optimizer.AdaShift` (from version 4 on).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: $\beta_1$, the ratio of the weight of a gradient to that of the next one.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        keep_num: $n$, the number of gradients that are kept.

    State variables: `m`, the mean of the last $n$ gradients; `v`, the running mean of the largest
    squared gradient of each tensor; `past_1` to `past_n`, the last $n$ gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adashift
        >>> weights = np.ones(2, np.float32)
        >>> learner = adashift([weights], lr=0.1, keep_num=2)
        >>> for gradient in ([10, 0.1], [10, 0.1], [10, 0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [1. 1.]
        [1. 1.]
        [0.9   0.999]

    References:
        Zhou et al., [AdaShift: Decorrelation and Convergence of Adaptive Learning Rate
        Methods](https://arxiv.org/abs/1810.00143), 2019.
    """
    m, v, past = state("m"), state("v", shape="tensor"), state("past", ring=keep_num)
    oldest = past[keep_num]
    newest_weight = let("newest_weight", (1 - beta1) / (1 - beta1**keep_num))
    lost = newest_weight * beta1**keep_num * oldest
    m_new = assign(m, beta1 * m - lost + newest_weight * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * max(abs(oldest)) ** 2)
    v_hat = v_new / (1 - beta2 ** (step - keep_num))
    rate = let("rate", where(step > keep_num, lr / (sqrt(v_hat) + eps), 0))
    return combine([assign(p, p - rate * m_new), assign(past, g)])
