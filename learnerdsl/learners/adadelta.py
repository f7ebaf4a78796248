"""Adadelta: steps in units of the parameter, from two running means."""

from learnerdsl import assign, combine, let, rule, sqrt, state


@rule
def adadelta(p, g, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    r"""Adadelta: RMSprop with the size of earlier steps in place of a learning rate.

    $$g \leftarrow g + \lambda p \qquad
    v \leftarrow \rho v + (1 - \rho)\, g^2 \qquad
    \Delta = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}}\, g \qquad
    u \leftarrow \rho u + (1 - \rho)\, \Delta^2 \qquad
    p \leftarrow p - \eta \Delta$$

    Needs no learning rate to be tuned, but starts slowly: the first steps are of the size
    $\sqrt{\epsilon}$. Follows the paper and `torch.optim.Adadelta` (equal to `optax.adadelta`):
    $\epsilon$ is inside both roots and $\Delta$ uses the old $u$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ on the step; 1 in the paper.
        rho: share $\rho$ of both running means that is kept.
        eps: $\epsilon$, inside both roots; sets the size of the first steps.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `v` and `u`, the running means of squared gradients and of squared steps.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adadelta
        >>> weights = np.ones(3, np.float32)
        >>> learner = adadelta([weights])
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.997, 0.997, 1.003], dtype=float32)

    References:
        Zeiler, [ADADELTA: An Adaptive Learning Rate Method](https://arxiv.org/abs/1212.5701), 2012.
    """
    v, u = state("v"), state("u")
    g = g + weight_decay * p
    v_new = assign(v, rho * v + (1 - rho) * g**2)
    # Named, because SymPy would write the square of the quotient out as a second division.
    delta = let("delta", sqrt(u + eps) / sqrt(v_new + eps) * g)
    u_new = assign(u, rho * u + (1 - rho) * delta**2)
    p_new = assign(p, p - lr * delta)
    return combine([u_new, p_new])
