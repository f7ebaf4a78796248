"""Nero: a rate for each neuron, whose weights keep a mean of 0 and a norm of 1."""

from learnerdsl import (
    abs,
    assign,
    combine,
    equal,
    let,
    maximum,
    mean,
    ndim,
    norm,
    rule,
    size,
    sqrt,
    state,
    step,
    sum,
    where,
)


@rule
def nero(p, g, lr=0.01, beta=0.999, eps=1e-8, constraints=True):
    r"""Nero: the neuronal rotator, which turns the weights of each neuron by the same angle.

    $$v \leftarrow \beta v + (1 - \beta) \lVert g \rVert^2 \qquad
    p \leftarrow p - \frac{\eta s}{\sqrt{v / (1 - \beta^t)} + \epsilon}\, g \qquad
    p \leftarrow p - \mathrm{mean}(p) \qquad
    p \leftarrow \frac{p}{\lVert p \rVert + \epsilon}$$

    with norms and means over each neuron, that is, over all axes but the first, and $s$ the mean
    norm of a tensor's neurons, or 0.01 if that is 0. The weights are also centred and divided by
    their norm before the first step. Tensors of fewer than two axes keep $v$ for each element and
    are not constrained. Needs little tuning of the rate, because a step is an angle. The network
    must work with weights of norm 1. Follows `pytorch_optimizer.Nero`, except that a gradient that
    is not finite makes weights that are not finite.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, about the angle of a step.
        beta: share $\beta$ of the mean squared norm that is kept.
        eps: $\epsilon$, added to roots and norms.
        constraints: whether weights of a neuron are centred and of norm 1.

    State variables: `v`, the mean squared norm of the gradient of each neuron; `scale`, the size
    $s$ of the weights at the start; `centre` and `length`, the mean and the norm that are removed
    from them at the start.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import nero
        >>> weights = np.array([[1, 2, 3], [3, 2, 1]], np.float32)
        >>> learner = nero([weights], lr=0.1)
        >>> learner.update([np.array([[1, 0, 0], [0, 1, 0]], np.float32)])
        True
        >>> weights.round(3)
        array([[-0.722,  0.031,  0.691],
               [ 0.738, -0.066, -0.672]], dtype=float32)

    References:
        Liu et al., [Learning by Turning: Neural Architecture Aware
        Optimisation](https://arxiv.org/abs/2102.07227), 2021.
    """
    if ndim(p) < 2:
        scale = state("scale", init=_nonzero(mean(abs(p))), shape="tensor")
        v = state("v")
        moved = p - _rate(v, g**2, lr, beta, eps) * scale * g
        return combine([assign(p, moved), assign(scale, scale)])
    inner = tuple(range(1, ndim(p)))
    v = state("v", shape=(0,))
    squares = sum(g**2, axis=inner)
    if not constraints:
        scale = state("scale", init=_nonzero(mean(norm(p, axis=inner))), shape="tensor")
        moved = p - _rate(v, squares, lr, beta, eps) * scale * g
        return combine([assign(p, moved), assign(scale, scale)])
    start = mean(p, axis=inner)
    spread = norm(p - start, axis=inner)
    centre = state("centre", init=start, shape=(0,))
    length = state("length", init=spread + eps, shape=(0,))
    scale = state("scale", init=_nonzero(mean(spread / (spread + eps))), shape="tensor")
    constrained = where(equal(step, 1), (p - centre) / length, p)
    x = let("x", constrained - _rate(v, squares, lr, beta, eps) * scale * g)
    middle = mean(x, axis=inner)
    norm_squared = maximum(sum(x**2, axis=inner) - size(p, axis=inner) * middle**2, 0)
    moved = assign(p, (x - middle) / (sqrt(norm_squared) + eps))
    return combine([moved, *(assign(kept, kept) for kept in (centre, length, scale))])


def _nonzero(scale):
    """Return the scale, or 0.01 where it is 0."""
    return where(equal(scale, 0), 0.01, scale)


def _rate(v, squares, lr, beta, eps):
    """Update the mean `v` of squares; return the rate that it leads to."""
    v_new = assign(v, beta * v + (1 - beta) * squares)
    return lr / (sqrt(v_new / (1 - beta**step)) + eps)
