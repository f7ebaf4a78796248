"""Adam-mini: Adam with one second moment for each row."""

from learnerdsl import assign, mean, ndim, rule, sqrt, state, step


@rule
def adam_mini(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""Adam-mini: AdamW whose second moment is one number for each block of a tensor.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v_b \leftarrow \beta_2 v_b + (1 - \beta_2)\, \mathrm{mean}_b\, g^2$$

    $$p \leftarrow (1 - \eta \lambda) p - \frac{\eta}{1 - \beta_1^t} \cdot
    \frac{m}{\sqrt{v_b / (1 - \beta_2^t)} + \epsilon}$$

    A block $b$ is everything at one index of the first axis: the incoming weights of a neuron, or a
    row of an embedding. A tensor of fewer than two axes is one block. For transformers, which it
    trains as well as AdamW does with half of its states. The authors use whole attention heads as
    blocks of query and key weights; to do so, give those the shape (heads, ...).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient; `v`, that of its square in each block.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adam_mini
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = adam_mini([weights], lr=0.1)
        >>> learner.update([np.array([[1, 2, 0], [10, 20, 0]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.923, 0.845, 1.   ],
               [0.923, 0.845, 1.   ]], dtype=float32)

    References:
        Zhang et al., [Adam-mini: Use Fewer Learning Rates To Gain
        More](https://arxiv.org/abs/2406.16793), 2024.
    """
    m = state("m")
    if ndim(p) >= 2:
        v, squares = state("v", shape=(0,)), mean(g**2, axis=tuple(range(1, ndim(p))))
    else:
        v, squares = state("v", shape="tensor"), mean(g**2)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * squares)
    rate = lr / (1 - beta1**step) / (sqrt(v_new / (1 - beta2**step)) + eps)
    return assign(p, p * (1 - lr * weight_decay) - rate * m_new)
