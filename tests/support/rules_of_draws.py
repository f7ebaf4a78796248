"""Rules that draw random numbers of the model, of tensors and of axes."""

import learnerdsl as ld


@ld.rule
def scalars(p, g, lr=0.1):
    """Numbers of tensors and of the model: start values, a coin, a step size and a turn."""
    u = ld.state("u")
    rate = ld.state("rate", init=ld.exp(ld.normal(shape="tensor")), shape="tensor")
    phase = ld.state("phase", init=ld.uniform(shape="model"), shape="model")
    coin = ld.let("coin", ld.where(ld.uniform(shape="tensor") < 0.5, 1, 0))
    turn = ld.normal(shape="model")
    u_new = ld.assign(u, u / 2 + coin * g + ld.normal() / 9)
    kept = [ld.assign(rate, rate), ld.assign(phase, phase + turn)]
    size = lr * rate * (1 + ld.uniform(shape=()))
    return ld.combine([*kept, ld.assign(p, p - size * u_new - lr * turn * ld.cos(phase))])


@ld.rule
def axes(p, g, lr=0.1):
    """Numbers of rows, of columns, of the first and the last axis; some are reduced."""
    walk = ld.state("walk", init=ld.normal(shape="rows"), shape="rows")
    row, col = ld.uniform(shape="rows"), ld.normal(shape="cols")
    first = ld.normal(shape=(0,))
    kept = ld.where(ld.uniform(shape=(-1,)) < 0.5, 1, 0)
    moved = lr * (g * row * kept + col * walk + first * ld.mean(col, axis=-1))
    return ld.combine([ld.assign(walk, walk + row), ld.assign(p, p - moved)])


@ld.rule
def of_indices(p, g, lr=0.1):
    """Numbers of rows, of columns and of other axes, which elements can draw by themselves."""
    m = ld.state("m")
    row, col = ld.uniform(shape="rows"), ld.normal(shape="cols")
    some = ld.uniform(shape=(0, -1)) + ld.normal(shape=(1,)) * ld.normal(shape=(-1,))
    m_new = ld.assign(m, m / 2 + row * g + ld.where(ld.uniform(shape=(0,)) < 0.5, col, some))
    total = ld.sum(ld.abs(g) * ld.uniform(shape=(1, 2)))
    return ld.assign(p, p - lr * (m_new + ld.normal()) / (1 + total / ld.size(p)))


@ld.rule
def of_model(p, g):
    """One number of the model, and no state of the model."""
    return ld.assign(p, p - g * ld.uniform(shape="model"))


@ld.rule
def thinned(p, g, lr=0.1):
    """A coin and a step size for each tensor; it needs no numbers of elements."""
    coin = ld.where(ld.uniform(shape="tensor") < 0.5, 1, 0)
    return ld.assign(p, p - lr * coin * (1 + ld.uniform(shape="tensor")) * g)


CASES = [
    (scalars, ((), (4,), (5, 3), (2, 3, 4))),
    (axes, ((5, 3), (2, 3, 4), (3, 5))),
    (of_model, ((), (4,), (5, 3))),
]
"""Rules, and shapes of tensors to try them with."""
