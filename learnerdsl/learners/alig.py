"""ALI-G: Polyak's step size with a maximum and with momentum."""

from learnerdsl import assign, extra, let, minimum, rule, state, sum


@rule
def alig(p, g, lr=0.1, momentum=0.0, eps=1e-6):
    r"""ALI-G: the step size of Polyak for interpolation, with Nesterov momentum.

    $$\gamma = \min\left(\frac{f}{\lVert g \rVert^2 + \epsilon},\ \eta\right) \qquad
    b \leftarrow \mu b - \gamma g \qquad
    p \leftarrow p - \gamma g + \mu b$$

    where $f$ is the loss, without a penalty on the weights, and the norm is that of the whole
    model. Needs a maximal learning rate but no schedule for networks that can fit their data, since
    the steps shrink with the loss. Where the loss stays above 0, they do not. Follows
    `pytorch_optimizer.AliG` (which has no largest step by default), without its projection: the
    paper confines weights to a ball instead of decaying them.

    Args:
        p: the parameter.
        g: its gradient.
        lr: $\eta$, the largest step size.
        momentum: share $\mu$ of the buffer that is kept.
        eps: $\epsilon$, added to the squared norm.

    `update` also takes the `loss` $f$.

    State variables: `b`, the buffer of steps.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import alig
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = alig([weights])
        >>> learner.update([2 * weights], loss=25.0)
        True
        >>> weights.round(3)
        array([2.4, 3.2], dtype=float32)

    References:
        Berrada et al., [Training Neural Networks for and by
        Interpolation](https://arxiv.org/abs/1906.05661), 2020.
    """
    b = state("b")
    size = extra("loss") / (sum(g**2, over="model") + eps)
    gamma = let("gamma", minimum(size, lr))
    b_new = assign(b, momentum * b - gamma * g)
    return assign(p, p - gamma * g + momentum * b_new)
