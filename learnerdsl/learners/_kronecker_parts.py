"""What Shampoo, SOAP and their relatives share: matrices of the rows and of the columns."""

from learnerdsl import (
    assign,
    equal,
    matmul,
    state,
    step,
    transpose,
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
