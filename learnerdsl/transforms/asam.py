"""Adaptive sharpness-aware minimization: as SAM, with distances relative to the weights."""

from learnerdsl import abs, assign, equal, evaluate, norm, only_when, state, step, transform, where


@transform(place="before")
def asam(p, g, rho=0.5, eta=0.01):
    r"""Let the rule act on the gradient at $p + \hat{e}$, with $\hat{e}$ relative to $p$ (ASAM).

    $$T = |p| + \eta \qquad
    \text{odd updates:} \quad k \leftarrow p \qquad
    p \leftarrow p + \rho\, \frac{T^2 g}{\lVert T g \rVert + 10^{-12}}$$

    $$\text{even updates:} \quad p \leftarrow k, \text{ then the rule, with the gradient of now}$$

    Large weights move further, so the result does not change if a layer is scaled up and the next
    one down, as in networks with ReLU. Use it as `sam`, also on what it costs and when not to. A
    good $\rho$ is about ten times that of `sam`. Follows the elementwise operator of the paper; its
    authors' code has $T = 1$ for biases, which a rule cannot know from their shape.

    Args:
        p: the parameter.
        g: its gradient.
        rho: distance $\rho$, over the model and relative to the weights.
        eta: $\eta$, added to the weights' sizes.

    State variables: `kept`, the weights $k$ without the perturbation; `asam_updates`, the number of
    updates of the rule.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import asam
        >>> weights = np.array([1.0, 2.0])
        >>> learner = chain(asam, sgd)([weights], lr=0.1, rho=0.5, eta=0.0)
        >>> for _ in range(2):
        ...     _ = learner.update([np.array([4.0, 1.5])])
        ...     print(weights)
        [1.4 2.6]
        [0.6  1.85]

    References:
        Kwon et al., [ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of
        Deep Neural Networks](https://arxiv.org/abs/2102.11600), 2021.
    """
    kept = state("kept", init=p)
    is_second = equal(step % 2, 0)
    scale = abs(p) + eta
    assign(kept, where(is_second, kept, p))
    distance = rho / (norm(scale * g, over="model") + 1e-12)
    only_when(is_second, origin=kept, otherwise=p + distance * scale**2 * g, phases=2)
    evaluate(where(equal(step % 2, 1), kept, p))
    return g
