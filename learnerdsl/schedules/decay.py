"""Define monotonic schedules, from an initial value to a final one or towards zero."""

import sympy

from learnerdsl.schedules.checks import choice, duration, not_negative, number, positive
from learnerdsl.schedules.checks import count as whole
from learnerdsl.schedules.definition import Schedule, piecewise, updates_done
from learnerdsl.schedules.shapes import LINEAR_OR_COSINE, between, left, progress


def held(value: float, factor: float = 1 / 3, steps: int = 5) -> Schedule:
    r"""Hold `value` times `factor`, then `value`: $\eta f$ for $k < T$, then $\eta$.

    Args:
        value: the value after `steps` updates.
        factor: the factor $f$ until then.
        steps: the number of updates $T$.

    Source: torch.optim.lr_scheduler.ConstantLR,
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html

    >>> held(0.1, factor=0.5, steps=2).values(4)
    array([0.05, 0.05, 0.1 , 0.1 ])
    """
    released = number("value", value)
    held_back = released * number("factor", factor)
    return piecewise([held_back, released], [whole("steps", steps)])


def step_decay(initial: float, decay_rate: float, decay_steps: int) -> Schedule:
    r"""Multiply by a factor at every stair: $\eta \gamma^{\lfloor k/s \rfloor}$.

    Args:
        initial: the value $\eta$ of the first `decay_steps` updates.
        decay_rate: the factor $\gamma$ from one stair to the next, positive.
        decay_steps: the length $s$ of a stair in updates.

    Source: torch.optim.lr_scheduler.StepLR,
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html

    >>> step_decay(0.8, 0.5, decay_steps=2).values(5)
    array([0.8, 0.8, 0.4, 0.4, 0.2])
    """
    return exponential(initial, decay_rate, decay_steps, staircase=True)


def exponential(
    initial: float,
    decay_rate: float,
    decay_steps: float = 1,
    begin: int = 0,
    staircase: bool = False,
    final: float | None = None,
) -> Schedule:
    r"""Decay or grow exponentially: $\eta \gamma^p$ with $p = \max(k - b, 0)/s$.

    Args:
        initial: the value $\eta$ of the first update.
        decay_rate: the factor $\gamma$ for each `decay_steps` updates; positive, more than 1 for
            growth.
        decay_steps: the number of updates $s$.
        begin: the number of updates $b$ during which the value stays as it is.
        staircase: whether $p$ is rounded down, so that the value falls only every $s$ updates.
        final: the value at which decay or growth stops, if any.

    Source: optax.exponential_decay,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> exponential(0.8, 0.5, final=0.15).values(4)
    array([0.8 , 0.4 , 0.2 , 0.15])
    """
    passed = sympy.Max(updates_done - whole("begin", begin, least=0), 0)
    power = passed / duration("decay_steps", decay_steps)
    rate, start = positive("decay_rate", decay_rate), number("initial", initial)
    decayed = start * rate ** (sympy.floor(power) if staircase else power)
    if final is not None:
        falls = (rate < 1) == (start >= 0)
        decayed = (sympy.Max if falls else sympy.Min)(decayed, number("final", final))
    return Schedule(decayed)


def inverse_time(
    initial: float, decay_rate: float, decay_steps: float = 1, staircase: bool = False
) -> Schedule:
    r"""Decay with the inverse of time: $\eta/(1 + r k/s)$.

    Args:
        initial: the value $\eta$ of the first update.
        decay_rate: the rate $r$.
        decay_steps: the unit of time $s$ in updates.
        staircase: whether $k/s$ is rounded down.

    Source: Robbins and Monro, A Stochastic Approximation Method,
    https://doi.org/10.1214/aoms/1177729586

    >>> inverse_time(1.0, decay_rate=1.0).values(4)
    array([1.        , 0.5       , 0.33333333, 0.25      ])
    """
    time = updates_done / duration("decay_steps", decay_steps)
    slowed = 1 + number("decay_rate", decay_rate) * (sympy.floor(time) if staircase else time)
    return Schedule(number("initial", initial) / slowed)


def polynomial(
    initial: float, final: float, steps: int, power: float = 1, begin: int = 0
) -> Schedule:
    r"""Use a power of the time left: $b + (a - b)(1 - x)^q$ with $x = \min(\max(k - s, 0), T)/T$.

    Args:
        initial: the value $a$ of the first update.
        final: the value $b$ after `steps` updates, and from then on.
        steps: the number of updates $T$.
        power: the exponent $q$.
        begin: the number of updates $s$ during which the value stays as it is.

    Source: Chen et al., DeepLab, https://arxiv.org/abs/1606.00915 (there with power 0.9).

    >>> polynomial(1.0, 0.0, steps=4, power=2).values(6)
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    , 0.    ])
    """
    part = progress(duration("steps", steps), whole("begin", begin, least=0))
    remaining = left(part, "linear") ** not_negative("power", power)
    return Schedule(between(number("initial", initial), number("final", final), remaining))


def power_cool(initial: float, steps: int, coefficient: float, power: float = 1.2) -> Schedule:
    r"""Stay until a power of the time left is less: $\min(a,\ c (T - k)^q)$, and 0 from $T$ on.

    The end of training is the same for every $a$: a smaller rate stays for longer and joins the
    same curve. So parameters with different rates cool down together, and a run that ends before
    $T$ was on the way to it. If $T - (a/c)^{1/q}$ is a whole number of updates $s$, this is
    `polynomial(a, 0, T - s, q, begin=s)`.

    Args:
        initial: the value $a$ at first, positive.
        steps: the number of updates $T$ until 0.
        coefficient: the factor $c$ of the power, positive.
        power: the exponent $q$.

    Source: PowerCool of Yash Pande in the third track of modded-nanogpt,
    https://github.com/KellerJordan/modded-nanogpt/pull/291

    >>> power_cool(0.5, steps=4, coefficient=0.1, power=2).values(6)
    array([0.5, 0.5, 0.4, 0.1, 0. , 0. ])
    """
    time_left = sympy.Max(duration("steps", steps) - updates_done, 0)
    falling = positive("coefficient", coefficient) * time_left ** not_negative("power", power)
    return Schedule(sympy.Min(positive("initial", initial), falling))


def linear(initial: float, final: float, steps: int, begin: int = 0) -> Schedule:
    r"""Follow a line, then stay constant: $a + (b - a) x$ with $x = \min(\max(k - s, 0), T)/T$.

    Args:
        initial: the value $a$ of the first update.
        final: the value $b$ after `steps` updates, and from then on.
        steps: the number of updates $T$.
        begin: the number of updates $s$ during which the value stays as it is.

    Source: optax.linear_schedule,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> linear(1.0, 0.2, steps=2, begin=1).values(5)
    array([1. , 1. , 0.6, 0.2, 0.2])
    """
    return polynomial(initial, final, steps, begin=begin)


def cosine(initial: float, steps: int, final: float = 0.0, power: float = 1) -> Schedule:
    r"""Follow half a cosine: $b + (a - b)((1 + \cos \pi x)/2)^q$ with $x = \min(k, T)/T$.

    Args:
        initial: the value $a$ of the first update.
        steps: the number of updates $T$.
        final: the value $b$ after `steps` updates, and from then on.
        power: the exponent $q$.

    Source: Loshchilov and Hutter, SGDR, https://arxiv.org/abs/1608.03983 (without restarts).

    >>> cosine(1.0, steps=4).values(6).round(3)
    array([1.   , 0.854, 0.5  , 0.146, 0.   , 0.   ])
    """
    remaining = left(progress(duration("steps", steps)), "cosine") ** not_negative("power", power)
    return Schedule(between(number("initial", initial), number("final", final), remaining))


def rex(initial: float, steps: int, final: float = 0.0) -> Schedule:
    r"""Decay as a reflected exponential: $b + (a - b)(1 - x)/(1 - x/2)$ with $x = \min(k, T)/T$.

    It stays high for longer than a line, and falls fastest at the end.

    Args:
        initial: the value $a$ of the first update.
        steps: the number of updates $T$.
        final: the value $b$ after `steps` updates, and from then on.

    Source: Chen, Wolfe and Kyrillidis, REX: Revisiting Budgeted Training with an Improved
    Schedule, https://arxiv.org/abs/2107.04197

    >>> rex(1.0, steps=4).values(6).round(3)
    array([1.   , 0.857, 0.667, 0.4  , 0.   , 0.   ])
    """
    part = progress(duration("steps", steps))
    remaining = (1 - part) / (1 - part / 2)
    return Schedule(between(number("initial", initial), number("final", final), remaining))


def swa_annealing(initial: float, final: float, steps: int = 10, shape: str = "cosine") -> Schedule:
    r"""Go to the rate at which weights are averaged: $b + (a - b) s(x)$ with $x = \min(k, T)/T$.

    The shape $s(x)$ is "cosine" $(1 + \cos \pi x)/2$ or "linear" $1 - x$. As the last part of
    another schedule: `join([rate, swa_annealing(rate(501), 0.05)], [500])`.

    Args:
        initial: the value $a$ of the first update.
        final: the value $b$ after `steps` updates, and from then on.
        steps: the number of updates $T$.
        shape: "cosine" or "linear".

    Source: Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization,
    https://arxiv.org/abs/1803.05407

    >>> swa_annealing(0.1, 0.5, steps=2, shape="linear").values(4)
    array([0.1, 0.3, 0.5, 0.5])
    """
    choice("shape", shape, LINEAR_OR_COSINE)
    remaining = left(progress(whole("steps", steps)), shape)
    return Schedule(between(number("initial", initial), number("final", final), remaining))
