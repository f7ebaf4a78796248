"""Update by rprop, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import where


def rprop_tensor(p, g, d, last, eta_minus, eta_plus, step_max, step_min):
    agreement = g * last
    factor = where(agreement > 0, eta_plus, where(agreement < 0, eta_minus, 1))
    d_new = jnp.minimum(jnp.maximum(d * factor, step_min), step_max)
    last_new = where(agreement < 0, 0, g)
    change = -d_new * jnp.sign(last_new)
    return d_new, last_new, change


def rprop_tensor_start(p, lr):
    return lr, 0
