"""Update by adafactor, in functions that JAX traces."""

import jax.numpy as jnp

from learnerdsl.jax.operations import (
    axis_size,
    cast,
    power,
    quotient,
    root,
    rounded,
    size,
    sum_all,
    sum_over,
    where,
)


def adafactor_scalars(beta2_decay, lr, step, weight_decay):
    b = power(step, beta2_decay)
    minus_lr_weight_decay = -lr * weight_decay
    return b, minus_lr_weight_decay


def adafactor_tensor(p, g, row, col, b, d, eps1, eps2, lr, minus_lr_weight_decay, step):
    rounded_ = rounded(1.3333333333333333, p)
    third = rounded_ - 1
    least = where(eps1 == 0, abs(3 * third - 1), eps1)
    part = root(sum_all(jnp.square(p)))
    alpha = jnp.maximum(eps2, part / root(size(p))) * jnp.minimum(lr, quotient(1, root(step)))
    inverse_cols = 1 / axis_size(p, -1)
    row_new = row + b * (cast(inverse_cols, p) * sum_over(jnp.square(g), -1) - row)
    inverse_rows = 1 / axis_size(p, -2)
    col_new = col + b * (cast(inverse_rows, p) * sum_over(jnp.square(g), -2) - col)
    factor = 1 / jnp.maximum(sum_all(row_new, -2) / axis_size(p, -2), least)
    variance = cast(factor, p) * col_new * row_new
    least_squared = least**2
    u = g / jnp.sqrt(jnp.maximum(variance, cast(least_squared, p)))
    part_2 = root(sum_all(jnp.square(u)))
    factor_2 = alpha / jnp.maximum(1, quotient(quotient(part_2, d), root(size(p))))
    change = minus_lr_weight_decay * p - cast(factor_2, p) * u
    return row_new, col_new, change


def adafactor_tensor_start(p):
    return 0, 0
