"""The rule of record #46: SOAP before Muon, a floor for rows, a pinned length, and its averages.

The mathematics follows the script of 2026-06-19 in
https://github.com/KellerJordan/modded-nanogpt/tree/master/records/track_3_optimization.
"""

from rules import CONVERGING, NS_STEPS, bases, into, nesterov, out_of, shape_factor

import learnerdsl as ld
from learnerdsl import assign, let, matmul, maximum, minimum, norm, sqrt, state, transpose

TINY = 1e-8
UW_FLOOR = 0.3825
"""The least length of a row's update relative to that of its weights."""
OUTWARD = 0.5
"""The share that is kept of an update's part that lengthens the weights."""
AGREEMENT = 0.2
"""The cosine of SOAP's direction with the momentum from which on it is trusted."""


def fourth_norm(x):
    """Return the root of the norm of the Gram matrix: a bound of the spectral norm."""
    return sqrt(norm(matmul(x, transpose(x))))


def cosine(x, y):
    """Return the cosine of the angle between two matrices."""
    return ld.sum(x * y) / maximum(norm(x) * norm(y), TINY)


def trust(raw, turned, g, least, most):
    """Return how much of SOAP's direction to take, between `least` and `most`."""
    agrees = ld.clip((cosine(turned, raw) - AGREEMENT) / (1 - AGREEMENT), 0, 1)
    descends = ld.clip(cosine(turned, g) / maximum(cosine(raw, g), TINY), 0, 1)
    return let("trust", minimum(maximum(agrees * descends, least), most))


def without_outward(u, p):
    """Return an update whose part that lengthens the weights is halved."""
    share = let("share", ld.sum(u * p) / maximum(norm(p) ** 2, 1e-12))
    return let("braked", u - ld.where(share < 0, 1 - OUTWARD, 0) * share * p)


def with_row_floor(u, p):
    """Return an update whose short rows are as long as the floor says."""
    of_weights, of_update = maximum(norm(p, axis=-1), TINY), maximum(norm(u, axis=-1), TINY)
    return let("lifted", maximum(UW_FLOOR * of_weights / of_update, 1) * u)


@ld.rule
def soap_muon_pinned(
    p, g, lr=0.0375, momentum=0.95, beta2=0.9, decay=0.025, gated=False, least=0.0, most=1.0
):
    """Muon of the momentum that SOAP has turned, at a length that only radial steps change."""
    raw = nesterov(g, momentum)
    grams, stored, products, q = bases(p, g)
    is_first = ld.equal(ld.step, 1)
    v = state("v")
    in_basis = let("in_basis", into(q, raw))
    v_now = let("v_now", ld.where(is_first, v, beta2 * v + (1 - beta2) * in_basis**2))
    scaled = let("scaled", in_basis / sqrt(maximum(v_now, TINY**2)))
    back = let("back", out_of(q, scaled))
    length = let("raw_length", maximum(fourth_norm(raw), TINY))
    u = let("preconditioned", length / maximum(fourth_norm(back), TINY) * back)
    if gated:
        u = let("blended", raw + trust(raw, u, g, least, most) * (u - raw))
        u = length / maximum(fourth_norm(u), TINY) * u
    u = let("direction", ld.where(is_first, raw, u))

    # Divided by the fourth norm instead of the norm: their ratio is the factor of the latter.
    factor = let("factor", maximum(fourth_norm(u), 1e-7) / maximum(norm(u), 1e-30))
    x = ld.orthogonalize(u, NS_STEPS, CONVERGING, safety=factor, eps=1e-30)
    x = with_row_floor(without_outward(let("x", shape_factor(p) * x), p), p)
    before = let("before", maximum(norm(p), TINY))
    # The braked update, lifted by rows, says how the length may change.
    radius = let("radius", maximum(before - lr * ld.sum(x * p) / before, TINY))
    moved = let("moved", p - lr * x)
    pinned = radius / maximum(norm(moved), TINY) * moved
    results = [assign(p, (1 - lr * decay * ld.where(x * p > 0, 1, 0)) * pinned)]

    orders = []
    for gram, basis, product, used, side in zip(
        grams, stored, products, q, ("rows", "cols"), strict=True
    ):
        gram_new = assign(gram, beta2 * gram + (1 - beta2) * product)
        estimates = matmul(transpose(used), matmul(gram_new, used)) * ld.identity(side)
        order = let(f"{side}_order", ld.abs(ld.eigenvectors(estimates)))
        orders.append(order)
        turn = ld.orthonormal(matmul(gram_new, matmul(used, order)))
        results.append(assign(basis, ld.where(is_first, used, turn)))
    results.append(assign(v, ld.where(is_first, v_now, into(orders, v_now))))
    return ld.combine(results)


@ld.transform(place="after")
def averaged(p, new, ahead=0.0, memory=0.99, tail_start=2400, tail=150.0, blend=0.6):
    """Look ahead along the mean of past moves; evaluate with a mean of the last weights.

    Gradients are taken `ahead` of the weights, which the state `weights` keeps. From update
    `tail_start` on the weights to evaluate with have the share `blend` of their running mean.
    """
    weights, moves, average = state("weights", init=p), state("moves"), state("average")
    moves_new = assign(moves, memory * moves + (1 - memory) * (new - weights))
    mixed = ld.where(ld.step > tail_start, average + (new - average) / tail, new)
    average_new = assign(average, mixed)
    kept, share = assign(weights, new), ld.where(ld.step >= tail_start, blend, 0)
    ld.evaluate((1 - share) * kept + share * average_new)
    return new + ahead * moves_new
