"""Update by accumulate_adam, in functions that JAX traces."""

from learnerdsl.jax.operations import power, quotient, root, where


def accumulate_adam_scalars(accumulate_updates, beta1, beta2, lr, step):
    accumulate_acts = where(step % 4 == 0, 1, 0)
    accumulate_step = accumulate_updates + 1
    accumulate_updates_new = accumulate_acts + accumulate_updates
    one_minus_beta1 = 1 - beta1
    one_minus_beta2 = 1 - beta2
    factor = 1 / (1 - power(beta2, accumulate_step))
    factor_2 = lr / (1 - power(beta1, accumulate_step))
    return (
        accumulate_acts,
        accumulate_updates_new,
        one_minus_beta1,
        one_minus_beta2,
        factor,
        factor_2,
    )


def accumulate_adam_tensor(
    p,
    g,
    accumulated,
    m,
    v,
    accumulate_acts,
    beta1,
    beta2,
    eps,
    factor_2,
    factor,
    one_minus_beta1,
    one_minus_beta2,
    step,
    weight_decay,
):
    total = g + accumulated
    accumulated_new = where(step % 4 == 0, 0, total)
    g_accumulate = 0.25 * g + 0.25 * accumulated
    g_2 = g_accumulate + weight_decay * p
    expression = one_minus_beta1 * g_2 + beta1 * m
    m_new = where(accumulate_acts > 0, expression, m)
    expression_2 = one_minus_beta2 * g_2**2 + beta2 * v
    v_new = where(accumulate_acts > 0, expression_2, v)
    change = where(accumulate_acts > 0, quotient(-factor_2 * m_new, eps + root(factor * v_new)), 0)
    return accumulated_new, m_new, v_new, change


def accumulate_adam_tensor_start(p):
    return 0, 0, 0


def accumulate_adam_model_start(parameters):
    return (0,)
