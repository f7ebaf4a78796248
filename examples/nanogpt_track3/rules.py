"""Rules of the third track of modded-nanogpt whose conventions differ from those of the builtins.

They are for matrices of (output, input). The mathematics follows the scripts of the entries in
https://github.com/KellerJordan/modded-nanogpt/tree/master/records/track_3_optimization.
"""

import learnerdsl as ld
from learnerdsl import assign, let, matmul, maximum, mean, minimum, norm, sqrt, state, transpose

CONVERGING = (2.0, -1.5, 0.5)
"""Newton-Schulz coefficients whose iteration ends at singular values of exactly 1."""
NS_STEPS = 12


def shape_factor(p):
    """Return the factor of Muon for matrices with more rows than columns."""
    rows, cols = ld.shape(p)
    return max(1, rows / cols) ** 0.5


def nesterov(g, momentum):
    """Return Nesterov's mean of the gradient and of its running mean `m`."""
    m = state("m")
    return let("u", (1 - momentum) * g + momentum * assign(m, momentum * m + (1 - momentum) * g))


@ld.rule
def normuon_of_short_side(p, g, lr=0.018, momentum=0.95, beta2=0.95, eps=1e-10):
    """NorMuon with a mean square for each row, or for each column of a wide matrix."""
    rows, cols = ld.shape(p)
    u = ld.orthogonalize(nesterov(g, momentum), NS_STEPS, CONVERGING, eps_is_added=True)
    x = let("x", shape_factor(p) * u)
    v = state("v", shape="rows" if rows >= cols else "cols")
    squares = mean(x**2, axis=-1 if rows >= cols else -2)
    v_new = assign(v, beta2 * v + (1 - beta2) * squares)
    return assign(p, p - lr * x / sqrt(maximum(v_new, eps)))


def bases(p, g, scale=(1, 1)):
    """Return Shampoo's matrices and bases: their states, and the values that this update uses.

    At the first update the bases are the eigenvectors of the matrices of the gradient alone.
    """
    sides = ("rows", "rows"), ("cols", "cols")
    names = "left", "right"
    grams = [state(name, shape=side) for name, side in zip(names, sides, strict=True)]
    stored = [state(f"{name}_basis", shape=side) for name, side in zip(names, sides, strict=True)]
    products = matmul(g, transpose(g)) / scale[0], matmul(transpose(g), g) / scale[1]
    is_first = ld.equal(ld.step, 1)
    first = [let(f"{n}_first", ld.eigenvectors(x)) for n, x in zip(names, products, strict=True)]
    used = [
        let(f"{n}_used", ld.where(is_first, new, old))
        for n, new, old in zip(names, first, stored, strict=True)
    ]
    return grams, stored, products, used


def into(q, x):
    """Return a matrix in the bases of its rows and columns."""
    return matmul(matmul(transpose(q[0]), x), q[1])


def out_of(q, x):
    """Return a matrix that is given in the bases of its rows and columns."""
    return matmul(matmul(q[0], x), transpose(q[1]))


@ld.rule
def soap_uncorrected(p, g, lr=0.018, momentum=0.95, beta2=0.9, eps=1e-8):
    """SOAP that moves from the first update on, corrects no means, and turns at every step."""
    grams, stored, products, q = bases(p, g)
    m, v = state("m"), state("v")
    m_new = assign(m, momentum * m + (1 - momentum) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * let("turned", into(q, g)) ** 2)
    scaled = let("scaled", into(q, m_new) / (sqrt(v_new) + eps))
    results = [assign(p, p - lr * out_of(q, scaled))]
    for gram, basis, product, used in zip(grams, stored, products, q, strict=True):
        gram_new = assign(gram, beta2 * gram + (1 - beta2) * product)
        results.append(assign(basis, ld.orthonormal(matmul(gram_new, used))))
    return ld.combine(results)


@ld.rule
def kl_soap(p, g, lr=0.018, beta1=0.95, beta2=0.9, shampoo_beta=0.9, eps=1e-8, start=0.1):
    """SOAP whose matrices are each whitened by the eigenvalues of the other.

    The first update moves nothing. The largest inverse root of an eigenvalue is 4000.
    """
    rows, cols = ld.shape(p)
    grams, stored, products, q = bases(p, g, scale=(cols, rows))
    is_first = ld.equal(ld.step, 1)
    m, v = state("m"), state("v")
    turned = let("turned", into(q, g))
    m_new = assign(m, ld.where(is_first, 0, beta1 * m + (1 - beta1) * g))
    v_new = assign(v, ld.where(is_first, 0, beta2 * v + (1 - beta2) * turned**2))
    scaled = let("scaled", into(q, m_new) / (sqrt(v_new) + eps))
    results = [assign(p, ld.where(is_first, p, p - lr * out_of(q, scaled)))]

    of_rows = state("row_roots", init=1 / sqrt(start), shape="rows")
    of_cols = state("col_roots", init=1 / sqrt(start), shape="cols")
    by_cols = let("by_cols", matmul(g, q[1]) * of_cols)
    by_rows = let("by_rows", matmul(transpose(q[0]), g) * of_rows)
    whitened = (
        matmul(by_cols, transpose(by_cols)) / cols,
        matmul(transpose(by_rows), by_rows) / rows,
    )
    for k in range(2):
        mixed = shampoo_beta * grams[k] + (1 - shampoo_beta) * whitened[k]
        gram_new = assign(grams[k], ld.where(is_first, products[k], mixed))
        turn = ld.orthonormal(matmul(gram_new, q[k]))
        results.append(assign(stored[k], ld.where(is_first, q[k], turn)))
    spread = mean((turned * of_cols) ** 2, axis=-1), mean((turned * of_rows) ** 2, axis=-2)
    for root, diagonal in zip((of_rows, of_cols), spread, strict=True):
        eigenvalue = shampoo_beta / root**2 + (1 - shampoo_beta) * diagonal
        bounded = minimum(1 / sqrt(maximum(eigenvalue, 1e-30)), 4000)
        results.append(assign(root, ld.where(is_first, root, bounded)))
    return ld.combine(results)


@ld.rule
def grafted_shampoo(p, g, lr=0.0015, beta1=0.9, beta2=0.95, eps=1e-12, weight_decay=0.2, every=5):
    """Shampoo with steps as long as those of Adam, and Adam until its first roots."""
    m, v = state("m"), state("v")
    m_hat = let("m_hat", assign(m, beta1 * m + (1 - beta1) * g) / (1 - beta1**ld.step))
    v_hat = assign(v, beta2 * v + (1 - beta2) * g**2) / (1 - beta2**ld.step)
    adam = let("adam", m_hat / (sqrt(v_hat) + 1e-10))
    is_due = ld.equal(ld.step % every, 0)
    roots = []
    for name, side, product in (
        ("left", "rows", matmul(g, transpose(g))),
        ("right", "cols", matmul(transpose(g), g)),
    ):
        gram, root = state(name, shape=(side, side)), state(f"{name}_root", shape=(side, side))
        gram_new = assign(gram, beta2 * gram + (1 - beta2) * product)
        regular = gram_new / (1 - beta2**ld.step) + eps * ld.identity(side)
        roots.append(assign(root, ld.where(is_due, ld.inverse_root(regular, 4), root)))
    turned = let("turned", matmul(matmul(roots[0], m_hat), roots[1]))
    grafted = norm(adam) / (norm(turned) + 1e-16) * turned
    u = ld.where(ld.step < every, adam, grafted)
    return assign(p, p - lr * (u + weight_decay * p))


LONG = (
    (8.2051, -22.9019, 16.4607),
    (4.0664, -2.8612, 0.5184),
    (3.9096, -2.8234, 0.5250),
    (3.2856, -2.4153, 0.4853),
    (2.2779, -1.6198, 0.3985),
    (1.8726, -1.2307, 0.3585),
    (1.8564, -1.2132, 0.3568),
    (1.8750, -1.2500, 0.3750),
)
"""Newton-Schulz coefficients of #23, Polar Express with a stable end."""
ZERO_ROW = 0.33**0.5
"""The length that a row of zeros is taken to have."""


@ld.rule
def muown_scheduled(
    p,
    g,
    lr=0.00325,
    momentum=0.95,
    beta1=0.9,
    beta2=0.95,
    eps=1e-8,
    progress=1.0,
    target=2.496,
    scale=0.2,
):
    """Muown whose directions have lengths that go from those at first to `target`."""
    least = 1e-12
    raw = norm(p, axis=-1)
    length = ld.where(raw <= least, ZERO_ROW, raw)
    gamma, first = (state(name, init=length, shape="rows") for name in ("gamma", "first"))
    m, a, b = state("m"), state("a", shape="rows"), state("b", shape="rows")
    direction = let("direction", p / gamma)
    kappa = let("kappa", first + progress * (target - first))
    h = let("h", ld.sum(g * direction, axis=-1))
    across = let("across", gamma / kappa * (g - direction * h))
    u = let("u", across + momentum * assign(m, momentum * m + across))
    x = ld.orthogonalize(u, NS_STEPS, LONG, eps_is_added=True)
    w = let("w", kappa * direction - lr * scale * max(ld.shape(p)) ** 0.5 * x)
    a_hat = assign(a, beta1 * a + (1 - beta1) * h) / (1 - beta1**ld.step)
    b_hat = assign(b, beta2 * b + (1 - beta2) * h**2) / (1 - beta2**ld.step)
    gamma_new = assign(gamma, gamma - lr * a_hat / (sqrt(b_hat) + eps))
    p_new = assign(p, gamma_new * w / maximum(norm(w, axis=-1), least))
    return ld.combine([p_new, assign(first, first)])
