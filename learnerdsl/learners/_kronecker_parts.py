"""What Shampoo, SOAP and their relatives share: matrices of the rows and of the columns."""

from learnerdsl import (
    assign,
    eigenvectors,
    equal,
    let,
    matmul,
    maximum,
    mean,
    minimum,
    orthonormal,
    size,
    sqrt,
    state,
    step,
    sum,
    take_rows,
    top_rows,
    transpose,
    where,
)
from learnerdsl.options import whole_from

SIDES = {"left": "rows", "right": "cols"}


def squares(suffix="", inits=(0, 0)):
    """Return the states `left` and `right`, square matrices of the rows and of the columns."""
    return [
        state(name + suffix, init=init, shape=(side, side))
        for (name, side), init in zip(SIDES.items(), inits, strict=True)
    ]


def grams(g):
    """Return the products of the rows of a matrix with each other, and of its columns."""
    return matmul(g, transpose(g)), matmul(transpose(g), g)


def running_means(states, beta, values):
    """Return the updates of running means, of which the share beta is kept."""
    # Values without names of their own stay in the statements that use them.
    return [assign(states[k], beta * states[k] + (1 - beta) * values[k]) for k in range(2)]


def into(q, x):
    """Return a matrix in the bases of its rows and of its columns."""
    return matmul(matmul(transpose(q[0]), x), q[1])


def out_of(q, x):
    """Return a matrix that is given in the bases of its rows and of its columns."""
    return matmul(matmul(q[0], x), transpose(q[1]))


def is_due(every):
    """Return whether bases turn in this update: each `every` updates after the first."""
    return equal((step - 1) % whole_from(1, "every", every), 0) & (step > 1)


def follow(q, q_new, x, every):
    """Return a matrix that is given in the bases q, in the new bases."""
    return where(is_due(every), into(q_new, out_of(q, x)), x)


def turned_bases(matrices, q, v, v_now, every):
    """Return the updates of bases and of the mean squares in them, whose order follows.

    The first bases are eigenvectors. Later ones are a step of power iteration away from those
    before, after their columns were sorted by the estimated eigenvalues.
    """
    due, sorted_v, bases = is_due(every), v_now, []
    for k, side in enumerate(SIDES):
        power = matmul(matrices[k], q[k])
        order = let(f"{side}_order", top_rows(transpose(sum(q[k] * power, axis=-2))))
        by_power = orthonormal(transpose(take_rows(transpose(power), order)))
        new = where(equal(step, 1), eigenvectors(matrices[k]), where(due, by_power, q[k]))
        bases.append(assign(q[k], new))
        # The rows of v, and then its columns.
        sorted_v = transpose(take_rows(sorted_v, order))
    return [assign(v, where(due, sorted_v, v_now)), *bases]


def eigenvalues_of_bases(initial_eigenvalue):
    """Return the states of the eigenvalues in KL-Shampoo, of the rows and of the columns."""
    return [
        state(f"{name}_eigenvalues", init=initial_eigenvalue, shape=side)
        for name, side in SIDES.items()
    ]


def kl_factors(p, g, q, eigenvalues, turned, beta, max_inverse_root, every):
    """Return the updates of KL-Shampoo: of matrices whitened by each other, eigenvalues and bases.

    Args:
        p: the parameter.
        g: its gradient.
        q: the bases of the rows and of the columns.
        eigenvalues: the states of `eigenvalues_of_bases`.
        turned: the gradient in the bases.
        beta: share of matrices and eigenvalues that is kept.
        max_inverse_root: of an eigenvalue; but at most the length of the side, and at least 10.
        every: number of updates from one turn of the bases to the next; the first sets them.
    """
    is_first, due = equal(step, 1), is_due(every)
    by_cols = let("by_cols", matmul(g, q[1]) / sqrt(eigenvalues[1]))
    by_rows = let("by_rows", matmul(transpose(q[0]), g) / sqrt(eigenvalues[0]))
    whitened = matmul(by_cols, transpose(by_cols)), matmul(transpose(by_rows), by_rows)
    lengths, plain = (size(p, axis=-2), size(p, axis=-1)), grams(g)
    means = [where(is_first, plain[k], whitened[k]) / lengths[1 - k] for k in range(2)]
    s_new = running_means(squares(), beta, means)
    diagonals = (
        mean(turned**2 / eigenvalues[1], axis=-1),
        mean(turned**2 / eigenvalues[0], axis=-2),
    )
    results = []
    for k in range(2):
        least = 1 / maximum(10, minimum(lengths[k], max_inverse_root)) ** 2
        mixed = maximum(beta * eigenvalues[k] + (1 - beta) * diagonals[k], least)
        turn = where(due, orthonormal(matmul(s_new[k], q[k])), q[k])
        results += [
            assign(eigenvalues[k], where(is_first, eigenvalues[k], mixed)),
            assign(q[k], where(is_first, eigenvectors(s_new[k]), turn)),
        ]
    return results
