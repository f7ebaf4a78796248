"""DoG, DoWG and layer-wise DoG: learning rates from the distance moved so far."""

from learnerdsl import assign, combine, let, maximum, norm, rule, sqrt, state, sum


@rule
def dog(p, g, lr=1.0, eps=1e-8, reps_rel=1e-6):
    r"""DoG: distance over gradients, gradient descent without a learning rate.

    $$d \leftarrow \max(d, \lVert p - p_0 \rVert) \qquad
    s \leftarrow s + \lVert g \rVert^2 \qquad
    p \leftarrow p - \eta \frac{d}{\sqrt{s + \epsilon}} g$$

    with the norms over the whole model, $s$ starting from 0 and $d$ from
    $r\,(1 + \lVert p_0 \rVert)$. Finds its step size by itself within tens to hundreds of steps.
    Its authors recommend evaluating an average of the weights. It has no momentum and one rate for
    all elements, so it suits fine-tuning better than training from scratch. Follows
    `optax.contrib.dog` with its heuristic start.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the steps.
        eps: $\epsilon$, added to the sum of squares.
        reps_rel: $r$, the first distance relative to the norm of the weights; 1e-4 for networks
            with batch normalisation.

    State variables: `p0`, the initial parameter; `d` and `s`, the distance and the sum of squares
    of the whole model.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dog
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = dog([weights], reps_rel=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([2.64, 3.52], dtype=float32)

    References:
        Ivgi et al., [DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size
        Schedule](https://arxiv.org/abs/2302.12022), 2023.
    """
    p0 = state("p0", init=p)
    d = state("d", init=reps_rel * (1 + norm(p, over="model")), shape="model")
    s = state("s", shape="model")
    d_new = assign(d, maximum(d, norm(p - p0, over="model")))
    s_new = assign(s, s + sum(g**2, over="model"))
    rate = let("rate", lr * d_new / sqrt(s_new + eps))
    return combine([assign(p, p - rate * g), assign(p0, p0), d_new, s_new])


@rule
def dowg(p, g, lr=1.0, eps=1e-4):
    r"""DoWG: distance over weighted gradients, which forgets its short first steps.

    $$d^2 \leftarrow \max(d^2, \lVert p - p_0 \rVert^2) \qquad
    w \leftarrow w + d^2 \lVert g \rVert^2 \qquad
    p \leftarrow p - \eta \frac{d^2}{\sqrt{w} + \epsilon} g$$

    with the norms over the whole model, $w$ starting from 0 and $d^2$ from $\epsilon$. Leaves a
    start with small steps faster than `dog`, because it weights gradients by the distance at which
    they occurred. For the same reason it is less cautious. Follows `optax.contrib.dowg`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the steps.
        eps: $\epsilon$, added to the root, and the first squared distance.

    State variables: `p0`, the initial parameter; `d_squared` and `w`, the squared distance and the
    weighted sum of squares of the whole model.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dowg
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = dowg([weights], eps=0.01)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([2.941, 3.922], dtype=float32)

    References:
        Khaled et al., [DoWG Unleashed: An Efficient Universal Parameter-Free Gradient Descent
        Method](https://arxiv.org/abs/2305.16284), 2023.
    """
    p0 = state("p0", init=p)
    d2, w = state("d_squared", init=eps, shape="model"), state("w", shape="model")
    d2_new = assign(d2, maximum(d2, sum((p - p0) ** 2, over="model")))
    w_new = assign(w, w + d2_new * sum(g**2, over="model"))
    rate = let("rate", lr * d2_new / (sqrt(w_new) + eps))
    return combine([assign(p, p - rate * g), assign(p0, p0), d2_new, w_new])


@rule
def l_dog(p, g, lr=1.0, eps=1e-8, reps_rel=1e-6):
    r"""Layer-wise DoG: `dog` for every tensor by itself.

    $$d \leftarrow \max(d, \lVert p - p_0 \rVert) \qquad
    s \leftarrow s + \lVert g \rVert^2 \qquad
    p \leftarrow p - \eta \frac{d}{\sqrt{s + \epsilon}} g$$

    with the norms over one tensor, $s$ starting from 0 and $d$ from $r\,(1 + \lVert p_0 \rVert)$.
    Takes larger steps than `dog` and often ends better, but is less stable. Follows
    `optax.scale_by_distance_over_gradients` with its sign turned, so that steps go downhill.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the steps.
        eps: $\epsilon$, added to the sum of squares.
        reps_rel: $r$, the first distance relative to the norm of the weights.

    State variables: `p0`, the initial parameter; `d` and `s`, the distance and the sum of squares
    of each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import l_dog
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = l_dog([weights], reps_rel=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([2.64, 3.52], dtype=float32)

    References:
        Ivgi et al., [DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size
        Schedule](https://arxiv.org/abs/2302.12022), 2023.
    """
    p0, s = state("p0", init=p), state("s", shape="tensor")
    d = state("d", init=reps_rel * (1 + norm(p)), shape="tensor")
    d_new = assign(d, maximum(d, norm(p - p0)))
    s_new = assign(s, s + sum(g**2))
    rate = let("rate", lr * d_new / sqrt(s_new + eps))
    return combine([assign(p, p - rate * g), assign(p0, p0), d_new, s_new])
