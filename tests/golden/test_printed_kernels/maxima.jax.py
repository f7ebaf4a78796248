"""Update by largest_gradients, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import cast, max_all, root, size, sum_all


def largest_gradients_tensor_1(p, g):
    return (sum_all(jnp.square(g)),)


def largest_gradients_scalars_2(top, keep, model_size, sum_1):
    top_new = keep * top + sum_1 * (1 - keep) / model_size
    return (top_new,)


def largest_gradients_tensor_2(p, g, peak, keep, lr, top_new):
    peak_new = jnp.maximum(keep * peak, max_all(abs(g)))
    factor = lr / (peak_new + root(top_new) + 1 / size(p))
    change = -cast(factor, p) * g
    return peak_new, change


def largest_gradients_tensor_start(p):
    return (0,)


def largest_gradients_model_start(parameters):
    return (1,)
