"""Update by polyak_sgd, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import quotient, sum_all, where


def polyak_sgd_tensor_1(p, g):
    return (sum_all(jnp.square(g)),)


def polyak_sgd_scalars_2(eps, f_min, loss, lr, scaling, sum_1):
    part = quotient(loss - f_min, eps + sum_1)
    gamma = where(eps + sum_1 <= 2.220446049250313e-16, 0, scaling * jnp.minimum(part, lr))
    return (gamma,)


def polyak_sgd_tensor_2(p, g, gamma):
    change = -gamma * g
    return (change,)
