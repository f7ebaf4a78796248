"""Optimizers of the third track of modded-nanogpt in plain NumPy, with loops over their steps.

Each is written from the script of its entry. A class holds the states of one parameter, and
`move(p, g, k)` returns the parameter after update k, counted from 0.
"""

from collections.abc import Callable

import numpy as np

from support.references.noisy_sgd import _normal

Array = np.ndarray


def fro(x: Array) -> float:
    """Return the Frobenius norm."""
    return float(np.sqrt((x * x).sum()))


def newton_schulz(x: Array, triples: list[tuple[float, float, float]]) -> Array:
    """Apply odd polynomials to the singular values."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    for a, b, c in triples:
        s = a * s + b * s**3 + c * s**5
    return (u * s) @ vt


PLAIN = [(2.0, -1.5, 0.5)] * 12


def on_ball(p: Array, u: Array, lr: float) -> Array:
    """Step by lr times the norm of p against u; return to the norm of p."""
    moved = p - lr * u * fro(p) / max(fro(u), 1e-10)
    return moved / max(fro(moved), 1e-10) * fro(p)


def trapezoid(k: int, steps: int, share: float) -> float:
    """Return the factor of the rate: 1, and a line to 0 in the last share."""
    done = k / steps
    return 1.0 if done < 1 - share else (1 - done) / share


class Adam:
    """AdamW of torch, or without bias correction and decay."""

    def __init__(
        self,
        rate: Callable[[int], float],
        betas: tuple[float, float],
        decay: float = 0.0,
        corrects: bool = True,
    ):
        self.rate, self.betas, self.decay, self.corrects = rate, betas, decay, corrects
        self.m = self.v = 0.0

    def move(self, p: Array, g: Array, k: int) -> Array:
        b1, b2 = self.betas
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g * g
        c1, c2 = (1 - b1 ** (k + 1), 1 - b2 ** (k + 1)) if self.corrects else (1.0, 1.0)
        shrunk = p * (1 - self.rate(k) * self.decay)
        return shrunk - self.rate(k) / c1 * self.m / (np.sqrt(self.v / c2) + 1e-10)


class Muon:
    """Muon, on the hyperball or with decay, and NorMuon where there is a beta2."""

    def __init__(
        self,
        rate: Callable[[int], float],
        decay: float | None = None,
        beta2: float | None = None,
    ):
        self.rate, self.decay, self.beta2 = rate, decay, beta2
        self.m = self.v = 0.0

    def move(self, p: Array, g: Array, k: int) -> Array:
        self.m = self.m + 0.05 * (g - self.m)
        u = g + 0.95 * (self.m - g)
        rows, cols = p.shape
        x = newton_schulz(u / (fro(u) + 1e-7), PLAIN) * max(1, rows / cols) ** 0.5
        if self.beta2 is not None:
            squares = (x * x).mean(axis=1 if rows >= cols else 0, keepdims=True)
            self.v = self.v + (1 - self.beta2) * (squares - self.v)
            x = x / np.sqrt(np.maximum(self.v, 1e-10))
        if self.decay is None:
            return on_ball(p, x, self.rate(k))
        return p * (1 - self.rate(k) * self.decay) - self.rate(k) * x


def eigenbasis(a: Array) -> Array:
    """Return eigenvectors, the largest eigenvalue first."""
    return np.linalg.eigh((a + a.T) / 2)[1][:, ::-1]


class SoapH:
    """SOAP on the hyperball, whose bases turn after each update."""

    def __init__(self, rate: Callable[[int], float]):
        self.rate = rate
        self.m = self.v = self.left = self.right = 0.0
        self.ql = self.qr = np.empty(0)

    def move(self, p: Array, g: Array, k: int) -> Array:
        if k == 0:
            self.ql, self.qr = eigenbasis(g @ g.T), eigenbasis(g.T @ g)
        self.m = 0.95 * self.m + 0.05 * g
        self.left = 0.9 * self.left + 0.1 * g @ g.T
        self.right = 0.9 * self.right + 0.1 * g.T @ g
        turned = self.ql.T @ g @ self.qr
        self.v = 0.9 * self.v + 0.1 * turned**2
        u = self.ql @ (self.ql.T @ self.m @ self.qr / (np.sqrt(self.v) + 1e-8)) @ self.qr.T
        self.ql = np.linalg.qr(self.left @ self.ql)[0]
        self.qr = np.linalg.qr(self.right @ self.qr)[0]
        return on_ball(p, u, self.rate(k))


class KlSoapH:
    """KL-SOAP on the hyperball; its momentum is kept in the basis and turned with it."""

    def __init__(self, rate: Callable[[int], float]):
        self.rate = rate
        self.grams: list[Array] = []
        self.q: list[Array] = []
        self.inv: list[Array] = []
        self.m = self.v = np.empty(0)

    def move(self, p: Array, g: Array, k: int) -> Array:
        rows, cols = p.shape
        if k == 0:
            self.grams = [g @ g.T / cols, g.T @ g / rows]
            self.q = [eigenbasis(a) for a in self.grams]
            self.inv = [np.full(n, 0.1**-0.5) for n in (rows, cols)]
            self.m = self.v = np.zeros_like(p)
            return p
        (ql, qr), (il, ir) = self.q, self.inv
        turned = ql.T @ g @ qr
        self.m = 0.95 * self.m + 0.05 * turned
        self.v = 0.9 * self.v + 0.1 * turned**2
        u = ql @ (self.m / (np.sqrt(self.v) + 1e-8)) @ qr.T
        by_right, by_left = (qr.T @ g.T) * ir[:, None], (ql.T @ g) * il[:, None]
        self.grams[0] = 0.9 * self.grams[0] + 0.1 * by_right.T @ by_right / cols
        self.grams[1] = 0.9 * self.grams[1] + 0.1 * by_left.T @ by_left / rows
        spread = ((turned * ir) ** 2).mean(axis=1), ((turned * il[:, None]) ** 2).mean(axis=0)
        for side in range(2):
            eigenvalue = 0.9 / self.inv[side] ** 2 + 0.1 * spread[side]
            self.inv[side] = np.minimum(np.maximum(eigenvalue, 1e-30) ** -0.5, 4000)
        whole = ql @ self.m @ qr.T
        self.q = [np.linalg.qr(a @ q)[0] for a, q in zip(self.grams, self.q, strict=True)]
        self.m = self.q[0].T @ whole @ self.q[1]
        return on_ball(p, u, self.rate(k))


def fourth_root(a: Array) -> Array:
    """Return the inverse fourth root of a symmetric matrix, with epsilon on its diagonal."""
    values, vectors = np.linalg.eigh(a)
    values = values - min(values.min(), 0.0) + 1e-12
    return (vectors * values**-0.25) @ vectors.T


class Shampoo:
    """Shampoo, grafted from Adam, which acts alone before update 5."""

    def __init__(self, rate: Callable[[int], float]):
        self.rate = rate
        self.m = self.v = self.left = self.right = 0.0
        self.roots = np.empty(0), np.empty(0)

    def move(self, p: Array, g: Array, k: int) -> Array:
        t = k + 1
        self.left = 0.95 * self.left + 0.05 * g @ g.T
        self.right = 0.95 * self.right + 0.05 * g.T @ g
        self.v = 0.95 * self.v + 0.05 * g * g
        self.m = 0.9 * self.m + 0.1 * g
        mean = self.m / (1 - 0.9**t)
        u = adam = mean / (np.sqrt(self.v / (1 - 0.95**t)) + 1e-10)
        if t % 5 == 0:
            self.roots = tuple(fourth_root(a / (1 - 0.95**t)) for a in (self.left, self.right))
        if t >= 5:
            turned = self.roots[0] @ mean @ self.roots[1]
            u = turned * fro(adam) / (fro(turned) + 1e-16)
        return p - self.rate(k) * (u + 0.2 * p)


POLAR = [
    (8.2051, -22.9019, 16.4607),
    (4.0664, -2.8612, 0.5184),
    (3.9096, -2.8234, 0.5250),
    (3.2856, -2.4153, 0.4853),
    (2.2779, -1.6198, 0.3985),
    (1.8726, -1.2307, 0.3585),
    (1.8564, -1.2132, 0.3568),
    *[(1.8750, -1.2500, 0.3750)] * 5,
]


class Muown:
    """Muown: Muon of directions and Adam of lengths, with scheduled lengths of directions."""

    def __init__(self, rate: Callable[[int], float], steps: int, target: float):
        self.rate, self.steps, self.target = rate, steps, target
        self.lengths = self.start = self.v_norm = np.empty(0)
        self.m = self.a = self.b = 0.0

    def move(self, p: Array, g: Array, k: int) -> Array:
        if k == 0:
            raw = np.sqrt((p * p).sum(axis=1, keepdims=True))
            self.lengths = self.start = self.v_norm = np.where(raw <= 1e-12, 0.33**0.5, raw)
        unit = p / self.lengths
        v = unit * self.v_norm
        of_length = (g * unit).sum(axis=1, keepdims=True)
        of_v = self.lengths / self.v_norm * (g - unit * of_length)
        self.m = 0.95 * self.m + of_v
        u = of_v + 0.95 * self.m
        v = v - self.rate(k) * 0.2 * max(p.shape) ** 0.5 * newton_schulz(u / (fro(u) + 1e-7), POLAR)
        self.a = 0.9 * self.a + 0.1 * of_length
        self.b = 0.95 * self.b + 0.05 * of_length**2
        down = self.a / (1 - 0.9 ** (k + 1)), np.sqrt(self.b / (1 - 0.95 ** (k + 1))) + 1e-8
        self.lengths = self.lengths - self.rate(k) * down[0] / down[1]
        done = min(k / (self.steps - 1), 1.0) ** 1.2
        self.v_norm = self.start + done * (self.target - self.start)
        return self.lengths * v / np.sqrt((v * v).sum(axis=1, keepdims=True))


class Psgd:
    """PSGD on the hyperball, with the random numbers of the learner with the seed 0.

    Args:
        rate: the learning rate of each update.
        tensor: the number of the parameter in its learner.
    """

    def __init__(self, rate: Callable[[int], float], tensor: int):
        self.rate, self.tensor, self.m = rate, tensor, 0.0
        self.q: list[Array] = []

    def drawn(self, shape: tuple[int, ...], k: int, stream: int) -> Array:
        count = int(np.prod(shape))
        return _normal(count, stream=stream, seed=0, step=k + 1, tensor=self.tensor).reshape(shape)

    def learn(self, u: Array, probe: Array) -> None:
        largest = [np.abs(factor).max() for factor in self.q]
        ratio = np.sqrt(largest[1] / largest[0])
        self.q = [self.q[0] * ratio, self.q[1] / ratio]
        a = self.q[0] @ u @ self.q[1].T
        b = np.linalg.inv(self.q[0]).T @ probe @ np.linalg.inv(self.q[1])
        for side, (x, y) in enumerate([(a, b), (a.T, b.T)]):
            both = x @ x.T + y @ y.T
            vector = both @ both[:, (both**2).sum(axis=0).argmax()]
            length = fro(both @ vector) / fro(vector)
            self.q[side] = self.q[side] - np.triu(x @ x.T - y @ y.T) / length @ self.q[side]

    def move(self, p: Array, g: Array, k: int) -> Array:
        if k == 0:
            start = max(float((g**4).mean()), 1e-24) ** (-1 / 32)
            self.q = [start * np.eye(n) for n in g.shape]
        self.m = 0.95 * self.m + 0.05 * g
        m = self.m / (1 - 0.95 ** (k + 1))
        nu, probe = (self.drawn(p.shape, k, stream) for stream in (1, 2))
        self.learn(m + 2.0**-23 * np.abs(m) * nu, probe)
        left, right = (factor.T @ factor for factor in self.q)
        return on_ball(p, left @ m @ right, self.rate(k))


def fourth(x: Array) -> float:
    """Return the fourth root of the sum of the fourth powers of the singular values."""
    return float((np.linalg.svd(x, compute_uv=False) ** 4).sum() ** 0.25)


def angle(x: Array, y: Array) -> float:
    """Return a cosine."""
    return float((x * y).sum() / max(fro(x) * fro(y), 1e-8))


class Record:
    """The matrices of record #46. `gate` returns the bounds of the trust, or is None."""

    def __init__(
        self,
        rate: Callable[[int], float],
        momentum: Callable[[int], float],
        gate: Callable[[int], tuple[float, float]] | None,
    ):
        self.rate, self.momentum, self.gate = rate, momentum, gate
        self.m = self.left = self.right = 0.0
        self.v = self.ql = self.qr = np.empty(0)

    def preconditioned(self, u: Array, g: Array, k: int) -> Array:
        if k == 0:
            self.v = np.zeros_like(u)
            return u
        turned = self.ql.T @ u @ self.qr
        self.v = 0.9 * self.v + 0.1 * turned**2
        back = self.ql @ (turned / np.sqrt(np.maximum(self.v, 1e-16))) @ self.qr.T
        back = back * fourth(u) / fourth(back)
        if self.gate is None:
            return back
        agrees = np.clip((angle(back, u) - 0.2) / 0.8, 0, 1)
        descends = np.clip(angle(back, g) / max(angle(u, g), 1e-8), 0, 1)
        share = np.clip(agrees * descends, *self.gate(k))
        mixed = u + (back - u) * share
        return mixed * fourth(u) / fourth(mixed)

    def turn(self, g: Array, k: int) -> None:
        self.left = 0.9 * self.left + 0.1 * g @ g.T
        self.right = 0.9 * self.right + 0.1 * g.T @ g
        if k == 0:
            self.ql, self.qr = eigenbasis(self.left), eigenbasis(self.right)
            return
        rows = np.argsort(-np.diag(self.ql.T @ self.left @ self.ql))
        cols = np.argsort(-np.diag(self.qr.T @ self.right @ self.qr))
        self.v = self.v[rows][:, cols]
        self.ql = np.linalg.qr(self.left @ self.ql[:, rows])[0]
        self.qr = np.linalg.qr(self.right @ self.qr[:, cols])[0]

    def move(self, p: Array, g: Array, k: int) -> Array:
        lr, mu = self.rate(k), self.momentum(k)
        self.m = self.m + (1 - mu) * (g - self.m)
        u = self.preconditioned(g + mu * (self.m - g), g, k)
        rows, cols = p.shape
        x = newton_schulz(u / max(fourth(u), 1e-7), PLAIN) * max(1, rows / cols) ** 0.5
        along = (x * p).sum() / max((p * p).sum(), 1e-12) * p
        x = (x - along) + (0.5 if (x * p).sum() < 0 else 1.0) * along
        of_p = np.maximum(np.sqrt((p * p).sum(axis=1, keepdims=True)), 1e-8)
        of_x = np.maximum(np.sqrt((x * x).sum(axis=1, keepdims=True)), 1e-8)
        x = x * np.maximum(0.3825 * of_p / of_x, 1)
        radius = max(fro(p), 1e-8) - lr * (x * p).sum() / max(fro(p), 1e-8)
        new = p - lr * x
        new = new * (max(radius, 1e-8) / max(fro(new), 1e-8))
        self.turn(g, k)
        return new * (1 - lr * 0.025 * (x * p > 0))
