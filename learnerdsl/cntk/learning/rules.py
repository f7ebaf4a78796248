r"""CNTK's builtin learners as update rules, whose gradient is summed over a minibatch.

A rule states the algorithm only. `around` adds CNTK's changes of the gradient before it and of the
parameter after it. Each is a compile-time option, so that unused ones cost nothing:

$$g \leftarrow g / n \;\to\; \text{clip} \;\to\; g + \lambda_2 p \;\to\; \textbf{rule} \;\to\;
p + \mathcal{N}(0, \sigma) \;\to\; \text{soft threshold}$$

Hyperparameters are effective values, which plain Python computes from schedules and the minibatch
size. CNTK rounds each to the parameter's dtype before using it. That matters where `1 - beta2` has
few digits left, so the rules round with `let(..., dtype="parameter")`. Other `let`s name
intermediate values that CNTK rounds: with them, trajectories agree to the last digit, except for
the order in which a norm or a mean is summed.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Gt, Lt

from learnerdsl.define import UpdateRule, rule
from learnerdsl.expr import (
    abs,
    clip,
    equal,
    maximum,
    mean,
    minibatch_size,
    minimum,
    norm,
    not_equal,
    sign,
    sqrt,
    step,
    where,
)
from learnerdsl.tracing import assign, combine, let, normal, state

ADAGRAD_FLOOR = float(np.float32(1e-16))
RMSPROP_FLOOR = float(np.float32(1e-6))
RMSPROP_FIRST_STEP = 0.02
FSADAGRAD_CEILING = 10
SMALLEST_DIVISOR = 1e-30


def rounded(name: str, value: Any) -> Any:
    """Round a scalar to the parameter's dtype."""
    return let(name, value, dtype="parameter")


def prepared(
    p: Any, g: Any, mean_gradient: bool, clipping: str, l2: bool, shared: dict[str, Any]
) -> Any:
    """Average and clip the gradient, and add the L2 term, for the algorithm."""
    if mean_gradient:
        g = let("g_mean", g * rounded("inverse_n", 1 / minibatch_size))
    if clipping == "truncate":
        limit = rounded("limit", shared["clip_limit"])
        g = clip(g, -limit, limit)
    elif clipping == "norm":
        limit = shared["clip_limit"]
        g_norm = let("g_norm", norm(g))
        scale = rounded("clip_scale", where(Gt(g_norm, limit), limit / g_norm, 1))
        g = let("g_clipped", g * scale)
    if l2:
        g = g + rounded("decay", shared["l2_weight"]) * p
    return g


def finished(p_new: Any, noise: bool, l1: bool, shared: dict[str, Any]) -> Any:
    """Add noise to the new parameter, then shrink it towards 0, as the options say."""
    if noise:
        p_new = let("p_noisy", p_new + shared["noise_std"] * normal())
    if l1:
        p_new = let("p_unshrunk", p_new)
        t = rounded("threshold", shared["l1_threshold"])
        p_new = where(Gt(p_new, t), p_new - t, where(Lt(p_new, -t), p_new + t, 0))
    return p_new


SHARED_HYPERPARAMETERS = {
    "clip_limit": math.inf,
    "l2_weight": 0.0,
    "noise_std": 0.0,
    "l1_threshold": 0.0,
}
SHARED_OPTIONS = {
    "mean_gradient": False,
    "clipping": "none",
    "l2": False,
    "noise": False,
    "l1": False,
}


def around(algorithm: Callable[..., Any]) -> UpdateRule:
    """Make a rule that applies `algorithm` to the prepared gradient and finishes the parameter.

    Args:
        algorithm: a function as for `learnerdsl.rule`. It returns the new value of the parameter,
            an expression, or a tuple of this and of its assignments.

    The rule also has the hyperparameters `clip_limit`, `l2_weight`, `noise_std` and `l1_threshold`,
    and the options `mean_gradient`, `clipping` ("none", "truncate" or "norm"), `l2`, `noise` and
    `l1`.
    """

    @functools.wraps(algorithm)
    def composed(p: Any, g: Any, **arguments: Any) -> Any:
        shared = {name: arguments.pop(name) for name in SHARED_HYPERPARAMETERS}
        options = {name: arguments.pop(name) for name in SHARED_OPTIONS}
        noise, l1 = options.pop("noise"), options.pop("l1")
        result = algorithm(p, prepared(p, g, **options, shared=shared), **arguments)
        p_new, *assigned = result if isinstance(result, tuple) else (result,)
        return combine([*assigned, assign(p, finished(p_new, noise, l1, shared))])

    signature = inspect.signature(algorithm)
    extra = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in (SHARED_HYPERPARAMETERS | SHARED_OPTIONS).items()
    ]
    parameters = [*signature.parameters.values(), *extra]
    composed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return rule(composed)


def gain(momentum: Any, unit_gain: bool) -> Any:
    """Return the factor of a gradient in a momentum buffer: 1 - momentum, or 1."""
    return rounded("gain", 1 - momentum) if unit_gain else 1


def stepped(s: Any, g: Any, mu: Any, alpha: Any) -> Any:
    """Return `mu * s + alpha * g`, rounded as in CNTK where `mu` is large enough to divide by."""
    share = rounded("share", where(Gt(mu, SMALLEST_DIVISOR), alpha / mu, 0))
    return where(Gt(mu, SMALLEST_DIVISOR), mu * (s + share * g), mu * s + alpha * g)


def mean_square(old: Any, keep: Any, x: Any, name: str) -> Any:
    """Return the running mean of the square of `x`."""
    taken = let(name, rounded(f"{name}_share", 1 - keep) * x)
    return keep * old + taken * x


@around
def sgd(p, g, lr=0.1):
    r"""Stochastic gradient descent: $p \leftarrow p - \eta g$."""
    return p - rounded("eta", lr) * g


@around
def momentum_sgd(p, g, lr=0.1, momentum=0.9, unit_gain=True, lazy=False):
    r"""Momentum: $s \leftarrow \mu s + u \eta g$, $p \leftarrow p - s$, with $u = 1 - \mu$ or 1.

    With `lazy`, CNTK's form for row-sparse gradients, the buffer does not contain the learning
    rate: $s \leftarrow \mu s + u g$, $p \leftarrow p - \eta s$.
    """
    s = state("s")
    eta, mu = rounded("eta", lr), rounded("mu", momentum)
    u = gain(mu, unit_gain)
    if lazy:
        s_new = assign(s, mu * s + u * g)
        return p - eta * s_new
    s_new = assign(s, stepped(s, g, mu, rounded("alpha", u * eta)))
    return p - s_new


@around
def nesterov(p, g, lr=0.1, momentum=0.9, unit_gain=True):
    r"""Nesterov momentum: $s \leftarrow \mu s + u \eta g$, $p \leftarrow p - \mu s - u \eta g$."""
    s = state("s")
    eta, mu = rounded("eta", lr), rounded("mu", momentum)
    alpha = rounded("alpha", gain(mu, unit_gain) * eta)
    s_new = assign(s, stepped(s, g, mu, alpha))
    ahead = let("ahead", p - mu * s_new)
    return ahead - alpha * g


@around
def adagrad(p, g, lr=0.1, average_multiplier=True, in_order=False):
    r"""AdaGrad: divide steps by the root of the sum of all squared gradients.

    $$a \leftarrow a + g^2 \qquad q = \sqrt{a + 10^{-16}} \qquad
    p \leftarrow p - \frac{\eta}{k} \frac{g}{q}$$

    With the average multiplier, $k$ is the mean of $1/q$ over the tensor, so that the mean step is
    as long as that of gradient descent; without it, $k$ is 1. `in_order` sums as CNTK does, in the
    parameter's dtype and in memory order.
    """
    a = state("a")
    a_new = assign(a, a + g**2)
    q = let("q", sqrt(a_new + ADAGRAD_FLOOR))
    k = rounded("k", mean(1 / q, block=4 if in_order else 0)) if average_multiplier else 1
    scaled = let("scaled", g / q)
    return p - rounded("eta", lr / k) * scaled


@around
def rmsprop(
    p,
    g,
    lr=0.1,
    gamma=0.9,
    inc=1.2,
    dec=0.75,
    max=10.0,
    min=0.1,
    average_multiplier=True,
    in_order=False,
):
    r"""RMSProp with a step size per element, which grows while the gradient keeps its sign.

    $$v \leftarrow \gamma v + (1 - \gamma) g^2 \qquad
    s \leftarrow \begin{cases} \min(s \cdot inc, max) & \text{sign kept} \\
    \max(s \cdot dec, min) & \text{else} \end{cases} \qquad
    p \leftarrow p - \frac{\eta}{k} \, g \, \frac{s}{\sqrt{v + 10^{-6}}}$$

    The first update starts from $v = g^2$ and $s = 0.02$. With the average multiplier, $k$ is the
    mean over the tensor of the factor of $g$; without it, $k$ is 1.
    """
    v, s, last = state("v"), state("s", init=RMSPROP_FIRST_STEP), state("last")
    rho = rounded("rho", gamma)
    v_old = where(equal(step, 1), g**2, v)
    square = let("square", g**2)
    v_new = assign(v, rho * v_old + rounded("fresh", 1 - rho) * square)
    turn = let("turn", sign(g))
    grown = minimum(s * rounded("growth", inc), rounded("largest", max))
    shrunk = maximum(s * rounded("shrinkage", dec), rounded("smallest", min))
    s_new = assign(s, where(Gt(last * turn, 0), grown, shrunk))
    last_new = assign(last, turn)
    w = let("w", s_new / sqrt(v_new + RMSPROP_FLOOR))
    k = rounded("k", mean(w, block=1 if in_order else 0)) if average_multiplier else 1
    scaled = let("scaled", g * w)
    return p - rounded("eta", lr / k) * scaled, last_new


@around
def fsadagrad(p, g, lr=0.1, momentum=0.9, variance_momentum=0.999, unit_gain=True):
    r"""FSAdaGrad: divide gradients by their running root mean square, then apply momentum.

    $$c \leftarrow \beta_2 c + (1 - \beta_2) n \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2
    \qquad \hat{g} = g \min(\sqrt{c / v}, 10)$$

    $$m \leftarrow \mu m + u \hat{g} \qquad p \leftarrow p - \eta m$$

    The running minibatch size $c$ turns the summed gradient into a mean. With a momentum of 0, the
    buffer is not used.
    """
    v, m, c = state("v"), state("m"), state("c", shape="model")
    eta, mu, b2 = rounded("eta", lr), rounded("mu", momentum), rounded("b2", variance_momentum)
    c_new = assign(c, variance_momentum * c + (1 - variance_momentum) * minibatch_size)
    v_new = assign(v, mean_square(v, b2, g, "taken"))
    root = rounded("root", sqrt(c_new))
    inverse = let("inverse", 1 / sqrt(v_new))
    scaled = let(
        "scaled", where(not_equal(v_new, 0), g * minimum(root * inverse, FSADAGRAD_CEILING), g)
    )
    m_new = assign(m, where(Gt(mu, 0), mu * m + gain(mu, unit_gain) * scaled, m))
    return p - eta * where(Gt(mu, 0), m_new, scaled)


@around
def adam(
    p, g, lr=0.1, momentum=0.9, variance_momentum=0.999, eps=1e-8, unit_gain=True, adamax=False
):
    r"""Adam, with both bias corrections in one factor: epsilon is added to the uncorrected root.

    $$v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \qquad m \leftarrow \mu m + u g \qquad
    p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \mu^t} \frac{m}{\sqrt{v} + \epsilon}$$

    With `adamax`: $v \leftarrow \max(\beta_2 v, |g|)$ and
    $p \leftarrow p - \eta \, m / ((1 - \mu^t)(v + \epsilon))$.
    """
    v, m = state("v"), state("m")
    eta, mu, b2 = rounded("eta", lr), rounded("mu", momentum), rounded("b2", variance_momentum)
    epsilon = rounded("epsilon", eps)
    if adamax:
        v_new = assign(v, maximum(b2 * v, abs(g)))
        correction = rounded("correction", 1 / (1 - momentum**step))
        inverse = let("inverse", 1 / (v_new + epsilon))
    else:
        v_new = assign(v, mean_square(v, b2, g, "taken"))
        correction = rounded("correction", sqrt(1 - variance_momentum**step) / (1 - momentum**step))
        inverse = let("inverse", 1 / (sqrt(v_new) + epsilon))
    w = let("w", correction * inverse)
    m_new = assign(m, mu * m + gain(mu, unit_gain) * g)
    direction = let("direction", m_new * w)
    return p - eta * direction


@around
def adadelta(p, g, lr=1.0, rho=0.95, eps=1e-8, lazy=False):
    r"""AdaDelta: steps proportional to the root mean square of earlier steps.

    $$a \leftarrow \rho a + (1 - \rho) g^2 \qquad
    d = \frac{\sqrt{x + \epsilon}}{\sqrt{a + \epsilon}} g \qquad
    x \leftarrow \rho x + (1 - \rho) d^2 \qquad p \leftarrow p - \eta d$$

    With `lazy`, for row-sparse gradients, `a` and `x` of a row first decay for the updates that
    the row missed, as in the dense form.
    """
    a, x = state("a"), state("x")
    keep, epsilon = rounded("keep", rho), rounded("epsilon", eps)
    a_old, x_old, stamps = a, x, []
    if lazy:
        touched = state("touched")
        missed = let("missed", rho ** (step - 1 - touched))
        a_old, x_old = let("a_kept", a * missed), let("x_kept", x * missed)
        stamps = [assign(touched, step)]
    a_new = assign(a, mean_square(a_old, keep, g, "taken"))
    ratio = let("ratio", sqrt(x_old + epsilon) / sqrt(a_new + epsilon))
    d = let("d", ratio * g)
    x_new = assign(x, mean_square(x_old, keep, d, "moved"))
    return p - rounded("eta", lr) * d, x_new, *stamps


@rule
def regularise(p, g, noise_std=0.0, l1_threshold=0.0, noise=False, l1=False):
    """Apply only noise and L1, to whole parameters whose gradients are row-sparse."""
    del g
    shared = {"noise_std": noise_std, "l1_threshold": l1_threshold}
    return assign(p, finished(p, noise, l1, shared))
