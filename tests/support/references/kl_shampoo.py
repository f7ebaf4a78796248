"""KL-Shampoo and KL-SOAP; tensors of more than two axes are stacks of matrices."""

import numpy as np


class _Matrix:
    """The factors of one matrix: covariances, bases, and inverse roots of eigenvalues."""

    def __init__(self, g, beta, initial_eigenvalue):
        rows, cols = g.shape
        self.covariances = [(1 - beta) * g @ g.T / cols, (1 - beta) * g.T @ g / rows]
        self.bases = [np.linalg.eigh(a)[1][:, ::-1] for a in self.covariances]
        self.roots = [np.full(n, initial_eigenvalue**-0.5) for n in g.shape]

    def to_bases(self, x):
        return self.bases[0].T @ x @ self.bases[1]

    def from_bases(self, x):
        return self.bases[0] @ x @ self.bases[1].T

    def learn(self, g, beta, max_inverse_root, turns):
        """Section on moving averages of Lin et al. (2025); 10 and the length bound the roots."""
        products = []
        for x, side in ((g, 1), (g.T, 0)):
            inverse = self.bases[side] @ np.diag(self.roots[side] ** 2) @ self.bases[side].T
            products.append(x @ inverse @ x.T / x.shape[1])
        for k in range(2):
            estimates = np.diag(self.bases[k].T @ products[k] @ self.bases[k])
            eigenvalues = beta / self.roots[k] ** 2 + (1 - beta) * estimates
            bound = max(10, min(len(estimates), max_inverse_root))
            self.roots[k] = np.minimum(eigenvalues**-0.5, bound)
            self.covariances[k] = beta * self.covariances[k] + (1 - beta) * products[k]
            if turns:
                self.bases[k] = np.linalg.qr(self.covariances[k] @ self.bases[k])[0]


def _each(params, grads, state, start):
    """The matrices of all stacks, with what is kept of each."""
    kept = state.setdefault("kept", {})
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        for index in np.ndindex(p.shape[:-2]):
            if g[index].size:
                is_new = (k, index) not in kept
                own = kept.setdefault((k, index), {}) if not is_new else start(g[index])
                kept[k, index] = own
                yield p[index], g[index], own, is_new


def _start(beta, initial_eigenvalue):
    def start(g):
        factors = _Matrix(g, beta, initial_eigenvalue)
        return {"factors": factors, "m": np.zeros(g.shape), "v": np.zeros(g.shape)}

    return start


def kl_shampoo(
    params,
    grads,
    state,
    t,
    every=10,
    *,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    initial_eigenvalue,
    max_inverse_root,
):
    """The paper's KL-Shampoo with QR, as in the authors' code, which skips the first step."""
    for p, g, own, is_new in _each(params, grads, state, _start(beta2, initial_eigenvalue)):
        if is_new:
            continue
        factors = own["factors"]
        own["m"] = beta1 * own["m"] + (1 - beta1) * g
        scale = 1 / (1 / np.outer(*factors.roots) + eps)
        p[...] = p - lr * factors.from_bases(factors.to_bases(own["m"]) * scale)
        p[...] = p - lr * weight_decay * p
        factors.learn(g, beta2, max_inverse_root, (t - 1) % every == 0)


def kl_soap(
    params,
    grads,
    state,
    t,
    every=10,
    *,
    lr,
    beta1,
    beta2,
    shampoo_beta,
    eps,
    weight_decay,
    initial_eigenvalue,
    max_inverse_root,
):
    """The paper's KL-SOAP, as in the authors' code: the mean gradient turns with the bases."""
    for p, g, own, is_new in _each(params, grads, state, _start(shampoo_beta, initial_eigenvalue)):
        if is_new:
            continue
        factors = own["factors"]
        turned = factors.to_bases(g)
        own["m"] = beta1 * own["m"] + (1 - beta1) * turned
        own["v"] = beta2 * own["v"] + (1 - beta2) * turned**2
        p[...] = p - lr * factors.from_bases(own["m"] / (np.sqrt(own["v"]) + eps))
        p[...] = p - lr * weight_decay * p
        mean = factors.from_bases(own["m"])
        factors.learn(g, shampoo_beta, max_inverse_root, (t - 1) % every == 0)
        own["m"] = factors.to_bases(mean)
