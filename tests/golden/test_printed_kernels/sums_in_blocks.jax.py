"""Update by in_blocks, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import cast, sum_all


def in_blocks_tensor(p, g, lr):
    factor = lr / (1 + sum_all(jnp.square(g)))
    change = -cast(factor, p) * g
    return (change,)
