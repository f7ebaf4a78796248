"""Define schedules that rise at first, because the first updates are the least reliable."""

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import step
from learnerdsl.schedules.checks import count, number
from learnerdsl.schedules.decay import cosine, exponential, linear
from learnerdsl.schedules.definition import Schedule, constant, join, updates_done
from learnerdsl.schedules.shapes import between, left, progress


def warmup(schedule: Schedule, steps: int, initial: float = 0.0) -> Schedule:
    """Rise linearly to the first value of `schedule` in `steps` updates, then follow it.

    Args:
        schedule: what follows; it counts its updates from when it takes over.
        steps: the number of updates until then; 0 for no warm-up.
        initial: the value of the first update, if there is a warm-up.

    Source: Goyal et al., Accurate, Large Minibatch SGD, https://arxiv.org/abs/1706.02677

    >>> from learnerdsl.schedules import exponential
    >>> warmup(exponential(1.0, 0.5), steps=2).values(5)
    array([0.  , 0.5 , 1.  , 0.5 , 0.25])
    """
    rising = count("steps", steps, least=0)
    if not rising:
        return join([schedule], [])
    first = schedule(1) if isinstance(schedule, Schedule) else initial
    return join([linear(initial, first, rising), schedule], [rising])


def warmup_constant(initial: float, peak: float, warmup_steps: int) -> Schedule:
    r"""Rise linearly, then stay constant: $a + (p - a)\min(k, w)/w$.

    Args:
        initial: the value $a$ of the first update, if there is a warm-up.
        peak: the value $p$ from when `warmup_steps` are done.
        warmup_steps: the number of updates $w$; 0 for no warm-up.

    Source: Goyal et al., Accurate, Large Minibatch SGD, https://arxiv.org/abs/1706.02677

    >>> warmup_constant(0.0, 1.0, warmup_steps=4).values(6)
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    return warmup(constant(peak), count("warmup_steps", warmup_steps, least=0), initial)


def warmup_cosine(
    initial: float,
    peak: float,
    warmup_steps: int,
    steps: int,
    final: float = 0.0,
    power: float = 1,
) -> Schedule:
    """Rise linearly from `initial` to `peak`, then follow `cosine` to `final`.

    Args:
        initial: the value of the first update, if there is a warm-up.
        peak: the value when `warmup_steps` are done.
        warmup_steps: the number of updates of the line; 0 for no warm-up.
        steps: the number of updates of both together.
        final: the value after `steps` updates, and from then on.
        power: the exponent of the cosine; see `cosine`.

    Source: Goyal et al., https://arxiv.org/abs/1706.02677, and Loshchilov and Hutter, SGDR,
    https://arxiv.org/abs/1608.03983

    >>> warmup_cosine(0.0, 1.0, warmup_steps=2, steps=6).values(8).round(3)
    array([0.   , 0.5  , 1.   , 0.854, 0.5  , 0.146, 0.   , 0.   ])
    """
    rising = count("warmup_steps", warmup_steps, least=0)
    falling = count("steps", steps) - rising
    if falling <= 0:
        msg = (
            f"The warm-up takes the first {rising} of steps={steps}, so none are left to decay; "
            "give "
            "more steps: they count both."
        )
        raise HyperparameterError(msg)
    return warmup(cosine(peak, falling, final, power), rising, initial)


def warmup_exponential(
    initial: float,
    peak: float,
    warmup_steps: int,
    decay_rate: float,
    decay_steps: float = 1,
    begin: int = 0,
    staircase: bool = False,
    final: float | None = None,
) -> Schedule:
    """Rise linearly from `initial` to `peak`, then follow `exponential`.

    Args:
        initial: the value of the first update, if there is a warm-up.
        peak: the value when `warmup_steps` are done.
        warmup_steps: the number of updates of the line; 0 for no warm-up.
        decay_rate: as of `exponential`, like all that follow; it counts from the peak.
        decay_steps: the number of updates for each factor `decay_rate`.
        begin: the number of updates that the peak lasts.
        staircase: whether the value falls only every `decay_steps` updates.
        final: the value at which decay or growth stops, if any.

    Source: optax.warmup_exponential_decay_schedule,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> warmup_exponential(0.0, 1.0, warmup_steps=2, decay_rate=0.5).values(5)
    array([0.  , 0.5 , 1.  , 0.5 , 0.25])
    """
    decaying = exponential(peak, decay_rate, decay_steps, begin, staircase, final)
    return warmup(decaying, count("warmup_steps", warmup_steps, least=0), initial)


def noam(model_size: int, warmup_steps: int, factor: float = 1.0) -> Schedule:
    r"""Rise and fall as in the Transformer: $f d^{-1/2} \min(t^{-1/2}, t w^{-3/2})$.

    Here $t$ is the step, counted from 1.

    Args:
        model_size: the width $d$ of the model.
        warmup_steps: the number of the update $w$ with the largest value; 0 for no warm-up, as 1.
        factor: a factor $f$ of all values.

    Source: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762

    >>> noam(model_size=4, warmup_steps=4).values(6).round(4)
    array([0.0625, 0.125 , 0.1875, 0.25  , 0.2236, 0.2041])
    """
    width = count("model_size", model_size)
    peak = max(count("warmup_steps", warmup_steps, least=0), 1)
    half = sympy.Rational(1, 2)
    curve = sympy.Min(step**-half, step * sympy.Integer(peak) ** (-3 * half))
    return Schedule(number("factor", factor) * sympy.Integer(width) ** -half * curve)


def inverse_sqrt(peak: float, warmup_steps: int, initial: float = 0.0) -> Schedule:
    r"""Rise to $p$ in $w$ updates, then fall as $p \sqrt{w/k}$; without warm-up $p/\sqrt{k + 1}$.

    Args:
        peak: the value $p$ when `warmup_steps` are done.
        warmup_steps: the number of updates $w$ of the line; 0 for no warm-up.
        initial: the value of the first update, if there is a warm-up.

    Source: Ott et al., fairseq, https://arxiv.org/abs/1904.01038; `noam` from a peak.

    >>> inverse_sqrt(1.0, warmup_steps=2).values(9).round(3)
    array([0.   , 0.5  , 1.   , 0.816, 0.707, 0.632, 0.577, 0.535, 0.5  ])
    """
    top, rising = number("peak", peak), count("warmup_steps", warmup_steps, least=0)
    if not rising:
        return Schedule(top / sympy.sqrt(step))
    falling = Schedule(top * sympy.sqrt(rising / updates_done))
    return join([linear(initial, peak, rising), falling], [rising], relative=False)


def wsd(
    peak: float,
    warmup_steps: int,
    stable_steps: int,
    decay_steps: int,
    initial: float = 0.0,
    final: float = 0.0,
    shape: str = "1-sqrt",
) -> Schedule:
    r"""Warm up, stay, decay: a line to $p$, then $p$, then $b + (p - b) s(x)$, then $b$.

    The shape $s(x)$ of the decay, x being the part done, is "linear" $1 - x$, "cosine"
    $(1 + \cos \pi x)/2$, "1-sqrt" $1 - \sqrt x$, or "1-square" $1 - x^2$.

    Args:
        peak: the value $p$ between warm-up and decay.
        warmup_steps: the number of updates of the line; may be 0.
        stable_steps: the number of updates at the peak; may be 0.
        decay_steps: the number of updates of the decay.
        initial: the value of the first update, if there is a warm-up.
        final: the value $b$ after the decay, and from then on.
        shape: one of the four names.

    Source: Hu et al., MiniCPM, https://arxiv.org/abs/2404.06395; shapes from Hägele et al.,
    Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
    https://arxiv.org/abs/2405.18392

    >>> wsd(1.0, warmup_steps=2, stable_steps=1, decay_steps=4).values(8).round(3)
    array([0.   , 0.5  , 1.   , 1.   , 0.5  , 0.293, 0.134, 0.   ])
    """
    rising = count("warmup_steps", warmup_steps, least=0)
    stable = count("stable_steps", stable_steps, least=0)
    part = progress(count("decay_steps", decay_steps), begin=rising + stable)
    curve = between(number("peak", peak), number("final", final), left(part, shape))
    parts: dict[int, Schedule] = {}
    if rising:
        parts[rising] = linear(initial, peak, rising)
    if stable:
        parts[rising + stable] = constant(peak)
    return join([*parts.values(), Schedule(curve)], list(parts), relative=False)
