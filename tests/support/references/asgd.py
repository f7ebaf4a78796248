"""Averaged SGD: the learning rate and the weight of the average are those set a step before."""


def asgd(params, grads, state, t, *, lr, lambd, alpha, t0):
    """The average, `state["average"]`, is the parameter itself until step t0 is past."""
    if t == 1:
        state.update(eta=lr, mu=1.0, average=[0.0 * p for p in params])
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        p[...] = p * (1.0 - lambd * state["eta"]) - state["eta"] * g
        if state["mu"] == 1.0:
            state["average"][i] = p.copy()
        else:
            state["average"][i] = state["average"][i] + state["mu"] * (p - state["average"][i])
    state["eta"] = lr / (1.0 + lambd * lr * t) ** alpha
    state["mu"] = 1.0 / max(1.0, t - t0)
