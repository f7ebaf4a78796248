"""Make matrices nearly orthogonal by Newton-Schulz iterations, with published coefficients.

This module is written in the language alone, as a rule is, so `learnerdsl.check` runs it on arrays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError, quoted, suggestion
from learnerdsl.expr import identity, matmul, maximum, norm, transpose
from learnerdsl.numbers import as_number
from learnerdsl.options import whole_from
from learnerdsl.tracing import let, orientation

Triple = tuple[float, float, float]
Coefficients = str | Sequence[float] | Sequence[Sequence[float]]


@dataclass(frozen=True)
class Published:
    """Coefficients that somebody has published.

    Attributes:
        triples: (a, b, c) of each iteration; the last one is repeated.
        safety: factor of the norm that was published with them.
    """

    triples: tuple[Triple, ...]
    safety: float = 1.0


_JORDAN = (3.4445, -4.7750, 2.0315)
_AMSEL = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
)

WORTHWHILE = 2
"""The least ratio of the sides for which Gram matrices save operations."""

PUBLISHED: dict[str, Published] = {
    # Jordan et al., https://kellerjordan.github.io/posts/muon/; the default of torch and optax.
    "muon": Published((_JORDAN,)),
    # Amsel et al., https://arxiv.org/abs/2505.16932; NoahAmsel/PolarExpress, basic.py: all but the
    # last polynomial take 1.01 x, so that rounding moves no singular value out of reach.
    "polar_express": Published(
        (*((a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in _AMSEL), (1.875, -1.25, 0.375)), 1.01
    ),
    # The same method for 5 iterations and 1.02, as in dion, nanochat and modded-nanogpt.
    "polar_express_5": Published(
        (
            (8.156554524902461, -22.48329292557795, 15.878769915207462),
            (4.042929935166739, -2.808917465908714, 0.5000178451051316),
            (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
            (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
            (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
        ),
        1.02,
    ),
    # Grishina et al., https://arxiv.org/abs/2506.10935, as in Emerging-Optimizers.
    "cans": Published(
        (
            (8.4703, -25.1081, 18.6293),
            (4.1828, -3.1087, 0.5806),
            (3.9619, -2.9541, 0.5630),
            (3.2866, -2.4647, 0.5074),
            (2.2737, -1.6447, 0.4162),
        )
    ),
    # You Jiacheng; "dion" in optax, "quintic" in timm and Emerging-Optimizers.
    "you": Published(
        (
            (4.0848, -6.8946, 2.9270),
            (3.9505, -6.3029, 2.6377),
            (3.7418, -5.5913, 2.3037),
            (2.8769, -3.1427, 1.2046),
            (2.8366, -3.0525, 1.2012),
        )
    ),
    # DeepSeek-V4: 8 iterations of Jordan, then 2 that converge.
    "deepseek": Published((*(_JORDAN,) * 8, (2.0, -1.5, 0.5))),
    # https://arxiv.org/abs/2606.00371, as in Emerging-Optimizers: no square of the Gram matrix.
    "cubic": Published(
        (
            (3.3656576, -3.3420992, 0.0),
            (2.5744352, -1.4957376, 0.0),
            (2.5368962, -1.4312570, 0.0),
            (2.4418906, -1.2764040, 0.0),
            (2.2230472, -0.9630650, 0.0),
        )
    ),
}
"""Name of published coefficients -> what they are."""


def orthogonalize(
    x: Any,
    steps: int = 5,
    coefficients: Coefficients = "muon",
    *,
    eps: Any = 1e-7,
    eps_is_added: bool = False,
    safety: Any = None,
    gram: bool = False,
) -> sympy.Expr:
    r"""Return nearly $U V^\top$ of a matrix $U \Sigma V^\top$, by Newton-Schulz iterations.

    $X \leftarrow x / \max(s \lVert x \rVert, \epsilon)$, then `steps` times
    $X \leftarrow a X + (b A + c A^2) X$ with $A = X X^\top$ of the smaller side, so the singular
    values become nearly 1: between 0.7 and 1.2 by the five iterations of "muon". With more than
    two axes the matrices are those of the last two.

    Args:
        x: a matrix, of the parameter's shape or of any sides.
        steps: number of iterations.
        coefficients: $(a, b, c)$; a sequence of them, one for each iteration, whose last one is
            repeated; or the name of published ones: "muon" (Jordan's, always the same),
            "polar_express" (8), "polar_express_5" (5, as in dion and nanochat), "cans" (5),
            "you" (5, "dion" in optax), "deepseek" (10), "cubic" (5, with $c = 0$).
        eps: $\epsilon$, the least norm to divide by.
        eps_is_added: whether to divide by $s \lVert x \rVert + \epsilon$ instead.
        safety: $s$, a factor that keeps singular values below 1 in spite of rounding; None for
            what was published with the coefficients: 1.01 for "polar_express", 1.02 for
            "polar_express_5", else 1.
        gram: whether to iterate on $A$ instead of $X$ where one side is at least twice as long as
            the other, with a new $A$ after 2 and 5 iterations: the same but for rounding, in 2/3
            of the time for a ratio of 4. Not with `products="bfloat16"`, whose rounding errors
            grow beyond 1 for some gradients and coefficients.

    Raises:
        HyperparameterError: `steps` is no whole number, or `coefficients` are none of these.
        RuleError: `x` is no matrix, or the parameter has less than two axes.

    >>> import learnerdsl as ld
    >>> import numpy as np
    >>> @ld.rule
    ... def steepest(p, g, lr=1.0):
    ...     return ld.assign(p, p - lr * ld.orthogonalize(g, 8, "polar_express"))
    >>> weights = np.zeros((2, 2))
    >>> steepest([weights]).update([np.array([[3.0, 0.0], [0.0, -0.1]])])
    True
    >>> weights.round(3) + 0.0
    array([[-1.,  0.],
           [ 0.,  1.]])
    """
    published = _published(coefficients)
    triples = _checked(steps, published.triples)
    lies = orientation(x, "x_0")
    length = norm(x) if len(lies.shape) == 2 else norm(x, axis=(-2, -1))
    factor = published.safety if safety is None else safety
    length = length if as_number(factor) == 1 else factor * length
    divisor = length + eps if eps_is_added else maximum(length, eps)

    def named(name: str, value: Any) -> Any:
        return let(name + lies.suffix, value)

    short, long = sorted(lies.shape[-2:])
    is_tall = lies.shape[-2] > lies.shape[-1]
    y = named("x_0", x / divisor)
    if is_tall:
        y = named("x_0_transposed", transpose(y))
    if gram and long >= WORTHWHILE * short:
        y = _by_gram(y, triples, identity(lies.sides[1 if is_tall else 0]), named)
    else:
        y = _by_steps(y, triples, named)
    return transpose(y) if is_tall else y


def _by_steps(x: Any, triples: Sequence[Triple], named: Callable[[str, Any], Any]) -> Any:
    """Return the matrix after iterations, each of which multiplies it."""
    for k, (a, b, c) in enumerate(triples, 1):
        product = named(f"gram_{k}", matmul(x, transpose(x)))
        if c:
            product = named(f"polynomial_{k}", b * product + c * matmul(product, product))
            b = 1
        x = named(f"x_{k}", a * x + b * matmul(product, x))
    return x


def _by_gram(x: Any, triples: Sequence[Triple], one: Any, named: Callable[[str, Any], Any]) -> Any:
    """Return the matrix after iterations, several of which multiply it once.

    All polynomials of the Gram matrix A commute. So after X <- P X it is P A P, and the product
    of several P is enough to know in the end.
    """
    k = 0
    for count in _runs(len(triples)):
        gram = named(f"gram_{k + 1}", matmul(x, transpose(x)))
        product: Any = None
        for a, b, c in triples[k : k + count]:
            k += 1
            own = named(
                f"polynomial_{k}", a * one + b * gram + (c * matmul(gram, gram) if c else 0)
            )
            product = own if product is None else named(f"product_{k}", matmul(product, own))
            # Needed by the next iteration of this run alone; a let that nothing uses is left out.
            gram = named(
                f"gram_{k + 1}_of_{k}", matmul(gram, named(f"square_{k}", matmul(own, own)))
            )
        x = named(f"x_{k}", matmul(product, x))
    return x


def _runs(steps: int) -> list[int]:
    """Return how many iterations each new Gram matrix serves: 2, 3, and 2 for all others."""
    runs: list[int] = []
    while sum(runs) < steps:
        runs.append(min(3 if len(runs) == 1 else 2, steps - sum(runs)))
    return runs


def _published(coefficients: Any) -> Published:
    """Return the triples that coefficients are, or have the name of."""
    if isinstance(coefficients, str):
        if coefficients in PUBLISHED:
            return PUBLISHED[coefficients]
        near = suggestion(coefficients, PUBLISHED) or f"write one of: {', '.join(PUBLISHED)}."
        msg = f"No Newton-Schulz coefficients are called {coefficients!r}; {near}"
        raise HyperparameterError(msg)
    given = [coefficients] if _triple(coefficients) else coefficients
    triples = [_triple(one) for one in given] if isinstance(given, (tuple, list)) else []
    if not triples or None in triples:
        msg = (
            "The coefficients of Newton-Schulz iterations are three numbers such as "
            "(3.4445, -4.775, 2.0315), a list of such triples, or the name of published ones "
            f"({', '.join(PUBLISHED)}), got {quoted(coefficients)}."
        )
        raise HyperparameterError(msg)
    return Published(tuple(t for t in triples if t))


def _triple(value: Any) -> Triple | None:
    """Return three finite numbers as floats, or None if the value is something else."""
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        return None
    a, b, c = (as_number(one) for one in value)
    if a is None or b is None or c is None or not math.isfinite(a + b + c):
        return None
    return a, b, c


def _checked(steps: Any, triples: tuple[Triple, ...]) -> tuple[Triple, ...]:
    """Return the triple of each iteration."""
    if type(steps) is not int:
        msg = f"steps must be a whole number, 0 or more, got steps={quoted(steps)}."
        raise HyperparameterError(msg)
    whole_from(0, "steps", steps)
    return (*triples[:steps], *(triples[-1],) * (steps - len(triples)))
