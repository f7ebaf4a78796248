"""The coins that `magma` tosses, by a rule that shows the random numbers of each element."""

import numpy as np

import learnerdsl as ld


@ld.rule
def tossing(p, g):
    return ld.assign(p, ld.uniform())


def coins_of(shapes, updates, seed):
    """The coin of each tensor in each update: heads where an even number of elements has tails."""
    params = [np.zeros(shape) for shape in shapes]
    learner, coins = tossing(params, seed=seed), []
    for _ in range(updates):
        learner.update([np.zeros(shape) for shape in shapes])
        coins.append([int(np.sum(p < 0.5) % 2 == 0) for p in params])
    return coins
