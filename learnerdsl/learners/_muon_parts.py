"""What the relatives of Muon share: what they refuse, momentum, rows, and the length of steps."""

import math

from learnerdsl import (
    HyperparameterError,
    RuleError,
    abs,
    assign,
    let,
    maximum,
    ndim,
    norm,
    put_rows,
    shape,
    size,
    sqrt,
    state,
    sum,
    take_rows,
    top_rows,
    transpose,
)


def refuse_vectors(name, p):
    """Raise RuleError for a parameter that is no matrix, nor a stack of matrices."""
    if ndim(p) < 2:
        msg = (
            f"{name} is for matrices, not for ndim {ndim(p)}; give this parameter to another rule, "
            "such as adamw, with learnerdsl.by_parameter."
        )
        raise RuleError(msg)


def running_mean(g, momentum, nesterov):
    """Return the update of the running mean `m`, and what is to be made orthogonal."""
    m = state("m")
    m_new = assign(m, momentum * m + (1 - momentum) * g)
    return let("u", momentum * m_new + (1 - momentum) * g) if nesterov else m_new


def accumulated(g, momentum, nesterov):
    """Return the same for a buffer `m` that adds gradients up."""
    m = state("m")
    m_new = assign(m, momentum * m + g)
    return let("u", momentum * m_new + g) if nesterov else m_new


def matrix_norm(x, p):
    """Return the Frobenius norm of each matrix."""
    return norm(x) if ndim(p) == 2 else norm(x, axis=(-2, -1))


def step_length(p, adjust_lr_fn):
    """Return the factor of an orthogonal matrix by its sides, as in `muon`."""
    rows, cols = size(p, axis=-2), size(p, axis=-1)
    if adjust_lr_fn == "original":
        return sqrt(maximum(1, rows / cols))
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * sqrt(maximum(rows, cols))
    msg = f"adjust_lr_fn={adjust_lr_fn!r} is not known; write 'original' or 'match_rms_adamw'."
    raise RuleError(msg)


def spectral_length(p, adjust_lr):
    """Return the factor of an orthogonal matrix by its sides, as Dion's authors have it."""
    rows, cols = size(p, axis=-2), size(p, axis=-1)
    if adjust_lr == "spectral_norm":
        return sqrt(rows / cols)
    if adjust_lr == "rms_norm":
        return 0.2 * sqrt(maximum(rows, cols))
    if adjust_lr == "none":
        return 1
    msg = f"adjust_lr={adjust_lr!r} is not known; write 'spectral_norm', 'rms_norm' or 'none'."
    raise RuleError(msg)


def share_of(length, fraction):
    """Return how many lines a fraction of them are, rounded up: at least one."""
    if not 0 < fraction <= 1:
        msg = f"fraction={fraction!r} must be above 0 and at most 1, such as 0.25 for a quarter."
        raise HyperparameterError(msg)
    return max(1, math.ceil(fraction * length))


def largest_lines(b, p, fraction, is_by_columns=False):
    """Choose the rows, or columns, of `b` with the largest sums of magnitudes.

    Returns:
        A function that takes these lines of a matrix as rows, and one that puts rows there. If all
        lines are chosen, they return the whole matrix as it lies.
    """
    length = shape(p)[-1 if is_by_columns else -2]
    count = share_of(length, fraction)
    if count >= length:
        return (lambda x: x), (lambda x, rows: rows)
    across = transpose(abs(b))
    norms = sum(across, axis=-1) if is_by_columns else transpose(sum(across, axis=-2))
    chosen = let("chosen", top_rows(norms, count))

    def turned(x):
        return transpose(x) if is_by_columns else x

    def taken(x):
        return take_rows(turned(x), chosen)

    def with_rows(x, rows):
        return turned(put_rows(turned(x), chosen, rows))

    return taken, with_rows
