"""Rprop: a step length for each element, from the signs of its gradients."""

from learnerdsl import assign, clip, combine, rule, sign, state, where


@rule
def rprop(p, g, lr=1e-2, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0):
    r"""Rprop: resilient propagation, which uses only the signs of gradients.

    $$d \leftarrow \operatorname{clip}\left(d \cdot \begin{cases}
    \eta^+ & g g' > 0 \\ \eta^- & g g' < 0 \\ 1 & g g' = 0
    \end{cases},\ d_{\min},\ d_{\max}\right) \qquad
    g' \leftarrow \begin{cases} 0 & g g' < 0 \\ g & \text{else} \end{cases} \qquad
    p \leftarrow p - d \operatorname{sgn}(g')$$

    Fast and without tuning on full batches; unsuitable for minibatches, whose noise flips signs at
    random. Follows `torch.optim.Rprop`: where the sign flips, the element waits for one update.
    (The `rprop` of optax 0.2 applies each step one update late.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: length from which all steps start; later changes of it have no effect.
        eta_minus: $\eta^-$, factor where the sign flips.
        eta_plus: $\eta^+$, factor where the sign stays.
        step_min: $d_{\min}$, the shortest step.
        step_max: $d_{\max}$, the longest step.

    State variables: `d`, the length of the step; `last`, the last gradient, or 0 where the sign
    flipped.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import rprop
        >>> weights = np.ones(2, np.float32)
        >>> learner = rprop([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -1], [1, -1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.78 0.9 ]
        [0.636 0.95 ]

    References:
        Riedmiller and Braun, [A direct adaptive method for faster backpropagation learning: the
        RPROP algorithm](https://doi.org/10.1109/ICNN.1993.298623), 1993.
    """
    d, last = state("d", init=lr), state("last")
    agreement = g * last
    factor = where(agreement > 0, eta_plus, where(agreement < 0, eta_minus, 1))
    d_new = assign(d, clip(d * factor, step_min, step_max))
    last_new = assign(last, where(agreement < 0, 0, g))
    return combine([d_new, assign(p, p - d_new * sign(last_new))])
