"""What the relatives of Muon share: what they refuse, momentum, and the length of steps."""

from learnerdsl import RuleError, assign, let, maximum, ndim, norm, size, sqrt, state


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
