"""Rules of PyTorch that have more options at once than the builtin learners."""

from learnerdsl.compose import Chain, Transform, chain, transform
from learnerdsl.define import UpdateRule, rule
from learnerdsl.expr import maximum, sqrt, step, where
from learnerdsl.learners import asgd, nadam, radam
from learnerdsl.tracing import assign, state
from learnerdsl.transforms import add_decayed_weights, decoupled_weight_decay


@rule
def sgd(p, g, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD` has it."""
    b = state("b")
    g = g + weight_decay * p
    b_new = assign(b, momentum * b + where(step > 1, 1 - dampening, 1) * g)
    return assign(p, p - lr * (g + momentum * b_new if nesterov else b_new))


@rule
def adam(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
    decoupled=False,
):
    """Adam, AdamW and their AMSGrad forms, as `torch.optim.Adam` and `AdamW` have them."""
    m, v = state("m"), state("v")
    g = g if decoupled else g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    if amsgrad:
        v_max = state("v_max")
        v_new = assign(v_max, maximum(v_max, v_new))
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    direction = m_hat / (sqrt(v_hat) + eps)
    return assign(p, p - lr * (direction + weight_decay * p if decoupled else direction))


@rule
def rmsprop(
    p,
    g,
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    centered=False,
    has_momentum=False,
):
    """RMSprop with all options of `torch.optim.RMSprop`."""
    v = state("v")
    g = g + weight_decay * p
    variance = v_new = assign(v, alpha * v + (1 - alpha) * g**2)
    if centered:
        a = state("a")
        a_new = assign(a, alpha * a + (1 - alpha) * g)
        variance = maximum(v_new - a_new**2, 0)
    direction = g / (sqrt(variance) + eps)
    if has_momentum:
        b = state("b")
        direction = assign(b, momentum * b + direction)
    return assign(p, p - lr * direction)


@transform(place="before")
def negated(p, g):
    """Turn the gradient around, to maximize."""
    del p
    return -g


asgd_with_decay = chain(add_decayed_weights, asgd, name="asgd_with_decay")
nadam_decoupled = chain(nadam, decoupled_weight_decay, name="nadam_decoupled")
radam_decoupled = chain(radam, decoupled_weight_decay, name="radam_decoupled")

_maximizing: dict[int, tuple[UpdateRule, Chain]] = {}


def maximizing(own: UpdateRule) -> Chain:
    """Return a rule that follows the gradient upwards where `own` follows it downwards."""
    first: Transform = negated
    if id(own) not in _maximizing:
        _maximizing[id(own)] = own, chain(first, own, name=f"{own.name}_maximizing")
    return _maximizing[id(own)][1]
