"""Define the schedule of step sizes from the roots of a Chebyshev polynomial, in a stable order."""

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.schedules.checks import count, not_negative, number
from learnerdsl.schedules.definition import Schedule, updates_done


def chebyshev(smallest: float, largest: float, steps: int, fractal: bool = True) -> Schedule:
    r"""Use step sizes that minimise a quadratic: $1/(c - r \cos \theta)$, $c, r = (M \pm m)/2$.

    The angles are $\theta = (\sigma + 1/2)\pi/T$ with a permutation $\sigma$ of 0, …, T-1. In
    increasing order the intermediate results overflow; in the fractal order they do not. It comes
    from halving angles, $\cos \theta = \sin \pi u_0$, where each binary digit j of k gives a sign:
    $u_j = (-1)^{\lfloor k/2^j \rfloor}(1/2 + u_{j+1})/2$. So it needs a power of two. After
    `steps` updates the schedule starts again.

    Args:
        smallest: the smallest eigenvalue $m$ of the Hessian.
        largest: the largest eigenvalue $M$.
        steps: the number of updates $T$; a power of two for the fractal order.
        fractal: whether to use the fractal order; else from the smallest eigenvalue to the largest.

    Source: Agarwal, Goel and Zhang, Acceleration via Fractal Learning Rate Schedules,
    https://arxiv.org/abs/2103.01338

    >>> chebyshev(0.5, 1.5, steps=2).values(4).round(3)
    array([1.547, 0.739, 1.547, 0.739])
    """
    total = count("steps", steps)
    low, high = not_negative("smallest", smallest), number("largest", largest)
    if not low <= high or high == 0:
        msg = (
            f"smallest must be at most largest, and largest positive, got {smallest!r}, "
            f"{largest!r}."
        )
        raise HyperparameterError(msg)
    if fractal:
        turn = sympy.sin(sympy.pi * _fractal_angle(total))
    else:
        index = sympy.Mod(updates_done, total)
        turn = sympy.cos(sympy.pi * (2 * index + 1) / (2 * total))
    return Schedule(1 / ((high + low) / 2 - (high - low) / 2 * turn))


def _fractal_angle(steps: int) -> sympy.Expr:
    """Return $u_0$ of `chebyshev`, built from the highest binary digit of k to the lowest."""
    digits = steps.bit_length() - 1
    if steps != 2**digits:
        msg = (
            f"The fractal order needs a power of two, got steps={steps}; "
            f"write steps={2 ** (digits + 1)} or fractal=False."
        )
        raise HyperparameterError(msg)
    angle = sympy.Integer(0)
    for digit in reversed(range(digits)):
        sign = (-1) ** sympy.floor(updates_done / sympy.Integer(2**digit))
        angle = sign * (sympy.Rational(1, 2) + angle) / 2
    return angle
