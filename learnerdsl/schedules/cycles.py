"""Define schedules that rise and fall, once or periodically."""

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.schedules.checks import choice, count, duration, not_negative, number, share
from learnerdsl.schedules.definition import Schedule, piecewise, updates_done
from learnerdsl.schedules.pieces import piecewise_interpolate
from learnerdsl.schedules.shapes import LINEAR_OR_COSINE, between, left

MODES = ("triangular", "triangular2", "exp_range")


def cosine_periodic(initial: float, steps: int, final: float = 0.0) -> Schedule:
    r"""Follow a cosine that rises again after `steps` updates: $b + (a - b)(1 + \cos \pi k/T)/2$.

    Args:
        initial: the value $a$ of the first update.
        steps: the number of updates $T$ to the lowest value: half a period.
        final: the lowest value $b$.

    Source: torch.optim.lr_scheduler.CosineAnnealingLR,
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html

    >>> cosine_periodic(1.0, steps=2).values(5)
    array([1. , 0.5, 0. , 0.5, 1. ])
    """
    half = duration("steps", steps)
    # Reduce k to one period: the cosine of a large argument would amplify its rounding error.
    remaining = left(sympy.Mod(updates_done, 2 * half) / half, "cosine")
    return Schedule(between(number("initial", initial), number("final", final), remaining))


def cosine_restarts(
    initial: float,
    steps: int,
    final: float = 0.0,
    period_growth: float = 1,
    restart_decay: float = 1.0,
) -> Schedule:
    r"""Repeat half cosines: $b + (a - b) d^i (1 + \cos(\pi c/(T m^i)))/2$.

    i is the number of restarts and c the number of updates since the last one. With $m = 1$ these
    are $\lfloor k/T \rfloor$ and $k \bmod T$; else $i = \lfloor \log_m(k(m - 1)/T + 1) \rfloor$
    and $c = k - T(m^i - 1)/(m - 1)$, with k a little larger in the logarithm, so that its rounding
    does not matter.

    Args:
        initial: the value $a$ of the first update.
        steps: the number of updates $T$ of the first period.
        final: the value $b$ at the end of a period.
        period_growth: the factor $m$ from one period to the next, 1 or more.
        restart_decay: the factor $d$ of the height above `final` from one period to the next.

    Source: Loshchilov and Hutter, SGDR, https://arxiv.org/abs/1608.03983

    >>> cosine_restarts(1.0, steps=2, period_growth=2).values(7).round(3)
    array([1.   , 0.5  , 1.   , 0.854, 0.5  , 0.146, 1.   ])
    """
    first, growth = count("steps", steps), number("period_growth", period_growth)
    if growth < 1:
        msg = f"Periods cannot shrink: period_growth must be 1 or more, got {period_growth!r}."
        raise HyperparameterError(msg)
    if growth == 1:
        restarts = sympy.floor(updates_done / sympy.Integer(first))
        part = sympy.Mod(updates_done, first) / sympy.Integer(first)
    else:
        # Restarts of whole periods are half an update away from k + 1/2.
        later = sympy.Rational(1, 2) if growth.is_Integer else sympy.Rational(1, 10**6)
        periods = (updates_done + later) * (growth - 1) / first + 1
        restarts = sympy.floor(sympy.log(periods) / sympy.log(growth))
        grown = growth**restarts
        part = (updates_done - first * (grown - 1) / (growth - 1)) / (first * grown)
    height = not_negative("restart_decay", restart_decay) ** restarts * left(part, "cosine")
    return Schedule(between(number("initial", initial), number("final", final), height))


def cyclic(
    initial: float,
    peak: float,
    steps_up: int,
    steps_down: int | None = None,
    mode: str = "triangular",
    decay_rate: float = 1.0,
) -> Schedule:
    r"""Rise and fall along lines: $a + (p - a) s \min(c/u, (u + d - c)/d)$, $c = k \bmod (u + d)$.

    Args:
        initial: the value $a$ at which every cycle starts; it may be the larger one.
        peak: the value $p$ at the other end of a cycle.
        steps_up: the number of updates $u$ from `initial` to `peak`.
        steps_down: the number of updates $d$ back; by default `steps_up`.
        mode: the height $s$ of cycles: "triangular" 1, "triangular2" half as much from cycle to
            cycle, "exp_range" $\gamma^k$.
        decay_rate: the factor $\gamma$ of "exp_range".

    Source: Smith, Cyclical Learning Rates for Training Neural Networks,
    https://arxiv.org/abs/1506.01186

    >>> cyclic(0.0, 1.0, steps_up=2, mode="triangular2").values(9)
    array([0.  , 0.5 , 1.  , 0.5 , 0.  , 0.25, 0.5 , 0.25, 0.  ])
    """
    choice("mode", mode, MODES)
    up = count("steps_up", steps_up)
    down = up if steps_down is None else count("steps_down", steps_down)
    if mode != "exp_range" and decay_rate != 1:
        msg = f"decay_rate={decay_rate!r} is used only with mode='exp_range', got mode={mode!r}."
        raise HyperparameterError(msg)
    cycles_done = sympy.floor(updates_done / sympy.Integer(up + down))
    scale = {
        "triangular": sympy.Integer(1),
        "triangular2": sympy.Integer(2) ** -cycles_done,
        "exp_range": not_negative("decay_rate", decay_rate) ** updates_done,
    }[mode]
    place = sympy.Mod(updates_done, up + down)
    height = sympy.Min(place / sympy.Integer(up), (up + down - place) / sympy.Integer(down))
    return Schedule(between(number("peak", peak), number("initial", initial), height * scale))


def one_cycle(
    peak: float,
    steps: int,
    initial: float | None = None,
    final: float | None = None,
    rise: float = 0.3,
    shape: str = "cosine",
    three_phase: bool = False,
) -> Schedule:
    r"""Rise to a peak and fall, as in torch: the last of `steps` updates has the final value.

    With $r$ for `rise`, the value goes from `initial` to `peak` while $k ≤ rT - 1$ and from there
    to `final` while $k ≤ T - 1$. In three phases it goes back to `initial` while $k ≤ 2rT - 2$, and
    only then to `final`. For a momentum let `peak` be the smaller value, and `final` be `initial`.

    Args:
        peak: the largest value.
        steps: the number of updates $T$.
        initial: the value of the first update; by default peak/25.
        final: the value of update number $T$, and from then on; by default initial/10000.
        rise: the part of the updates until the peak.
        shape: "cosine" or "linear".
        three_phase: whether the value goes back to `initial` before it goes to `final`.

    Source: Smith and Topin, Super-Convergence, https://arxiv.org/abs/1708.07120

    >>> one_cycle(1.0, steps=5, initial=0.5, final=0.0, rise=0.6, shape="linear").values(6)
    array([0.5 , 0.75, 1.  , 0.5 , 0.  , 0.  ])
    """
    total, part = count("steps", steps), share("rise", rise)
    choice("shape", shape, LINEAR_OR_COSINE)
    start, top, end = _cycle_values(initial, peak, final)
    ends = [part * total - 1, total - 1]
    values = [start, top, end]
    if three_phase:
        ends.insert(1, 2 * part * total - 2)
        values.insert(2, start)
    if ends != sorted(set(ends)) or ends[0] <= 0:
        msg = (
            f"With steps={steps!r} and rise={rise!r} the phases end after {ends} updates; give "
            "more steps or another rise, so that each phase has at least one."
        )
        raise HyperparameterError(msg)
    edges = [sympy.Integer(0), *(number("an end", e) for e in ends)]
    pieces = [
        between(
            values[i], values[i + 1], left((updates_done - edge) / (edges[i + 1] - edge), shape)
        )
        for i, edge in enumerate(edges[:-1])
    ]
    return piecewise([*pieces, end], [edge + 1 for edge in edges[1:]])


def one_cycle_optax(
    peak: float,
    steps: int,
    initial: float | None = None,
    final: float | None = None,
    rise: float = 0.3,
    fall: float | None = None,
    shape: str = "cosine",
) -> Schedule:
    r"""Rise to a peak and fall, as in optax: the peak is at $k = \lfloor rT \rfloor$.

    That is one update later than in `one_cycle`, and so is the final value, at $k = T$.
    optax.cosine_onecycle_schedule has the defaults; optax.linear_onecycle_schedule is
    `shape="linear", fall=0.85`.

    Args:
        peak: the largest value.
        steps: the number of updates $T$.
        initial: the value of the first update; by default peak/25.
        final: the value after `steps` updates, and from then on; by default initial/10000.
        rise: the part $r$ of the updates until the peak.
        fall: the part of the updates until the value is back at `initial`; None goes from the peak
            straight to `final`.
        shape: "cosine" or "linear".

    Source: Smith and Topin, Super-Convergence, https://arxiv.org/abs/1708.07120

    >>> one_cycle_optax(1.0, 4, initial=0.5, final=0.0, rise=0.5, shape="linear").values(6)
    array([0.5 , 0.75, 1.  , 0.5 , 0.  , 0.  ])
    """
    total, part = count("steps", steps), share("rise", rise)
    start, top, end = _cycle_values(initial, peak, final)
    if fall is None:
        values, boundaries = [start, top, end], [int(part * total), total]
    else:
        values = [start, top, start, end]
        boundaries = [int(part * total), int(share("fall", fall) * total), total]
    return piecewise_interpolate(values, boundaries, shape)


def _cycle_values(initial: float | None, peak: float, final: float | None) -> list[sympy.Expr]:
    """Return the values at the start, in the middle and at the end of one cycle."""
    top = number("peak", peak)
    start = top / sympy.Float(25.0) if initial is None else number("initial", initial)
    end = start / sympy.Float(1e4) if final is None else number("final", final)
    return [start, top, end]
