"""Sharpness-aware minimization: the gradient at the worst weights nearby, for any rule."""

from learnerdsl import assign, equal, evaluate, norm, only_when, state, step, transform, where


@transform(place="before")
def sam(p, g, rho=0.05):
    r"""Let the rule act on the gradient at $p + \hat{e}$, where the loss is larger (SAM).

    $$\text{odd updates:} \quad k \leftarrow p \qquad
    p \leftarrow p + \rho\, \frac{g}{\lVert g \rVert + 10^{-12}}$$

    $$\text{even updates:} \quad p \leftarrow k, \text{ then the rule, with the gradient of now}$$

    Finds flat minima, which often generalise better, at the price of two gradients for each step
    of the rule. The norm is over the model. So `update` is called twice for a step, with the
    gradients of the same minibatch at the weights of that moment: the first call moves the weights,
    the second one moves them back and lets the rule act on them. In between, evaluate the model
    with `learner.evaluation_parameters()`. If the second gradient holds NaN and is skipped, the
    next call is the second one again. The states and the step of the rule change at even updates
    alone, but schedules count all updates. Not for noise that differs between the two gradients,
    and not worth its price where a model underfits.

    Follows the paper and `optax.contrib.sam` of SGD with a normalised gradient; $10^{-12}$ is that
    of common implementations for PyTorch, and lets a gradient of 0 pass.

    Args:
        p: the parameter.
        g: its gradient.
        rho: distance $\rho$ over the model at which the gradient is taken.

    State variables: `kept`, the weights $k$ without the perturbation; `sam_updates`, the number of
    updates of the rule.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import sam
        >>> weights = np.array([3.0, 4.0])
        >>> learner = chain(sam, sgd)([weights], lr=0.1, rho=0.5)
        >>> for _ in range(2):
        ...     _ = learner.update([weights.copy()])     # the gradient of half the square
        ...     print(weights)
        [3.3 4.4]
        [2.67 3.56]

    References:
        Foret et al., [Sharpness-Aware Minimization for Efficiently Improving
        Generalization](https://arxiv.org/abs/2010.01412), 2021.
    """
    kept = state("kept", init=p)
    is_second = equal(step % 2, 0)
    assign(kept, where(is_second, kept, p))
    moved = p + rho / (norm(g, over="model") + 1e-12) * g
    only_when(is_second, origin=kept, otherwise=moved, phases=2)
    evaluate(where(equal(step % 2, 1), kept, p))
    return g
