"""Adagrad: a learning rate per element, from the sum of all squared gradients."""

from learnerdsl import assign, rule, sqrt, state, step, where


@rule
def adagrad(p, g, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator=0.0, eps=1e-10):
    r"""Adagrad: divides each step by the root of the sum of squared gradients.

    $$g \leftarrow g + \lambda p \qquad
    \eta_t = \frac{\eta}{1 + (t - 1)\,\delta} \qquad
    s \leftarrow s + g^2 \qquad
    p \leftarrow p - \eta_t \frac{g}{\sqrt{s} + \epsilon}$$

    Good for sparse gradients, because rare features keep large steps; poor for long training,
    because steps only ever shrink. Follows `torch.optim.Adagrad`: $\epsilon$ is outside the root
    and the sum starts at 0. (optax and Keras put it inside and start at 0.1.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        lr_decay: $\delta$, by which the learning rate falls with the number of updates.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        initial_accumulator: value from which every sum starts.
        eps: $\epsilon$, added to the root; keeps the first steps finite.

    State variables: `s`, the sum of squared gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adagrad
        >>> weights = np.ones(2, np.float32)
        >>> learner = adagrad([weights], lr=0.1)
        >>> for gradient in ([10, 1], [10, 1], [10, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.829 0.829]
        [0.772 0.772]

    References:
        Duchi et al., [Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization](https://jmlr.org/papers/v12/duchi11a.html), 2011.
    """
    s = state("s", init=initial_accumulator)
    g = g + weight_decay * p
    lr_t = lr / (1 + (step - 1) * lr_decay)
    s_new = assign(s, s + g**2)
    return assign(p, p - lr_t * g / (sqrt(s_new) + eps))


@rule
def adagrad_optax(p, g, lr=1e-2, initial_accumulator=0.1, eps=1e-7):
    r"""Adagrad as in optax: epsilon is inside the root, and sums start at 0.1.

    $$s \leftarrow s + g^2 \qquad
    p \leftarrow p - \eta \frac{g}{\sqrt{s + \epsilon}}$$

    Elements with $s = 0$ do not move. Starting at 0.1 shortens the first steps where gradients are
    small; `adagrad` takes steps of $\eta$ there at once. Follows `optax.adagrad` and Keras.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        initial_accumulator: value from which every sum starts.
        eps: $\epsilon$, added under the root.

    State variables: `s`, the sum of squared gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adagrad_optax
        >>> weights = np.ones(3, np.float32)
        >>> learner = adagrad_optax([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.9  , 0.97 , 1.095], dtype=float32)

    References:
        Duchi et al., [Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization](https://jmlr.org/papers/v12/duchi11a.html), 2011.
    """
    s = state("s", init=initial_accumulator)
    s_new = assign(s, s + g**2)
    return assign(p, p - lr * g * where(s_new > 0, 1 / sqrt(s_new + eps), 0))
