"""Define the functions that a rule calls for random numbers."""

from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    NUMBER_OF_MODEL,
    PARAMETER_SIDES,
    Draw,
    MatrixDraw,
    NarrowDraw,
    NormalDraw,
    UniformDraw,
    as_sides,
    position,
    seed,
    step,
    tensor_number,
)
from learnerdsl.tracing.context import Trace, tracing_now
from learnerdsl.tracing.language import kept_axes, require_matrix


def normal(shape: Any = "element") -> sympy.Expr:
    """Return a standard normal random number, a different one for each element, step and call.

    The numbers are counter-based (Philox4x32-10 and Box-Muller in float64): functions of the
    learner's `seed`, the step, and the indices of the tensor and the element. So they are the same
    for any number of threads, and after resuming.

    With another `shape` there are fewer numbers, and all elements of a tensor, of the model, or of
    a row get the same one: `where(uniform(shape="tensor") < 0.5, g, 0)` leaves out whole tensors by
    chance. Such a number is a function of the seed, the step, the index of the tensor and that of
    the row, so processes that hold parts of a tensor draw the same. It is computed in float64,
    whatever the dtype of the parameter, and rounded where it meets elements.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
    https://doi.org/10.1145/2063384.2063405, 2011.

    Args:
        shape: what there is one number for, as with `state`. "element": each element, in the dtype
            of the parameter. "tensor": each parameter. "model": the whole learner; of rules that
            `by_parameter` joins, the first such calls give one number, the second ones another.
            "rows" (all axes but the last), "cols" (all axes but the second to last) or a tuple of
            axes: each index of those axes. Two sides, such as ("cols", 4): each entry of a matrix,
            for each matrix of the parameter; write `sides(4, 4)` where both are numbers. A state of
            the same shape may start from all but the numbers of elements:
            `state("q", init=normal(shape=("cols", 4)), shape=("cols", 4))` has it at the first
            update.

    Raises:
        RuleError: the shape is another one, or the parameter does not have its axes.
    """
    return _drawn(NormalDraw, shape)


def uniform(shape: Any = "element") -> sympy.Expr:
    """Return a random number from [0, 1), distributed uniformly; see `normal`.

    That of an element has the 24 or 53 bits that its dtype holds, one of another shape has 53: in
    float32, rounding makes one in 2**25 of them 1.
    """
    return _drawn(UniformDraw, shape)


def _drawn(kind: type[Draw], shape: Any) -> sympy.Expr:
    """Return a random number for each of what a shape has values for."""
    what = f"{kind.distribution}(...)"
    trace_now = tracing_now(what)
    own = PARAMETER_SIDES if isinstance(shape, str) and shape == "element" else as_sides(shape)
    if own is None:
        axes = _axes_of_draw(trace_now, what, shape)
        is_full = isinstance(axes, tuple) and len(axes) == len(trace_now.shape) > 0
        if not is_full:
            return _narrow_draw(trace_now, kind.distribution, axes)
    if own in (None, PARAMETER_SIDES):
        trace_now.draws += 1
        return kind(position, trace_now.draws)
    require_matrix(trace_now, f"{what} of shape {own}")
    trace_now.draws += 1
    return MatrixDraw(kind.distribution, trace_now.draws, seed, step, tensor_number, *own)


def _axes_of_draw(trace_now: Trace, what: str, shape: Any) -> tuple[int, ...] | None:
    """Return the axes that random numbers differ along; None for a number of the whole model."""
    is_word = isinstance(shape, str)
    if is_word and shape in ("tensor", "model"):
        return () if shape == "tensor" else None
    if isinstance(shape, tuple) and not shape:
        return ()
    kept = kept_axes(trace_now, what, shape) if is_word or isinstance(shape, tuple) else None
    if kept is None:
        msg = (
            f"{what} cannot have shape {shape!r}; write 'element', 'tensor', 'model', 'rows', "
            "'cols', a tuple of axes, or two sides of a matrix such as ('cols', 4)."
        )
        raise RuleError(msg)
    return kept


def _narrow_draw(trace_now: Trace, kind: str, axes: tuple[int, ...] | None) -> sympy.Expr:
    """Return a random number for the model, a tensor, or each index of axes."""
    if axes is None:
        # By themselves: a variant with other draws of tensors has the same numbers of the model.
        trace_now.draws_of_model += 1
        return NarrowDraw(kind, trace_now.draws_of_model, seed, step, NUMBER_OF_MODEL)
    trace_now.draws += 1
    return NarrowDraw(kind, trace_now.draws, seed, step, tensor_number, *axes)
