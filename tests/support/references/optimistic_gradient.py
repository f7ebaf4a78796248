"""Optimistic gradient descent."""


def optimistic_gradient_descent(params, grads, state, t, *, lr, alpha, beta):
    """Equation 7 of Mokhtari et al. (2020), generalised; no gradient comes before the first."""
    last = grads if t == 1 else state["last"]
    for p, g, before in zip(params, grads, last, strict=True):
        p[...] = p - lr * ((alpha + beta) * g - beta * before)
    state["last"] = [g.copy() for g in grads]
