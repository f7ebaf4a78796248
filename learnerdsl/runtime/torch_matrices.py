"""Functions of whole matrices in PyTorch, on the host and on a device, under NumPy's names.

Generated code calls them. NumPy has no products of bfloat16 matrices, so those on the host are here
too.
"""

import contextlib
import math
from typing import Any

import numpy as np

from learnerdsl.kernels.random_matrices import distributed, words

STRIP = 256
"""Rows of a symmetric product that are computed at once, without the columns that follow them."""


class TorchMatrices:
    """PyTorch's functions under NumPy's names.

    Args:
        torch: the module `torch`.

    Attributes:
        like: a tensor with the dtype and the device of the arithmetic.
    """

    nan = np.nan

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.like: Any = None

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.torch, {"arccos": "acos", "arcsin": "asin"}.get(name, name))
        return lambda *values: function(*map(self.tensor, values))

    def tensor(self, value: Any) -> Any:
        """Convert a number to a tensor without axes, which does not change other dtypes."""
        if isinstance(value, (int, float)):
            # Fill it on the device, since a copy from the host would wait.
            kind = {"dtype": self.like.dtype, "device": self.like.device}
            return self.torch.full((), value, **kind)
        return value

    def scalar(self, value: Any) -> Any:
        """Convert a scalar so that it takes the dtype of the matrices that it is combined with."""
        return value if isinstance(value, self.torch.Tensor) else float(value)

    def array(self, view: Any) -> Any:
        """Convert a `DeviceView` or a tensor to a tensor in the same memory."""
        tensor = view.detach() if isinstance(view, self.torch.Tensor) else None
        if tensor is None:
            device = "cuda" if self.like is None else self.like.device
            tensor = self.torch.as_tensor(view, device=device)
        self.like = tensor if self.like is None else self.like
        return tensor

    def on_stream(self, stream: int) -> Any:
        """Return a context manager whose body works on this stream and records no gradients."""
        cuda = self.torch.cuda
        device = self.like.device
        own = cuda.ExternalStream(stream, device) if stream else cuda.default_stream(device)
        stack = contextlib.ExitStack()
        stack.enter_context(self.torch.no_grad())
        stack.enter_context(cuda.stream(own))
        return stack

    def copy(self, a: Any) -> Any:
        """Return a copy."""
        return a.clone()

    def eye(self, size: int, dtype: Any) -> Any:
        """Return the identity matrix (size, size)."""
        return self.torch.eye(size, dtype=dtype, device=self.like.device)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return matrices of zeros."""
        return self.torch.zeros(shape, dtype=dtype, device=self.like.device)

    def swapaxes(self, a: Any, first: int, second: int) -> Any:
        """Exchange two axes."""
        return self.torch.swapaxes(a, first, second)

    def decomposed(self, a: Any) -> tuple[Any, Any]:
        """Return ascending eigenvalues and eigenvectors; NaN if a matrix is not finite."""
        is_finite = self.torch.isfinite(a).all(-1).all(-1)
        safe = self.torch.where(is_finite[..., None, None], a, self.torch.zeros_like(a))
        roots, vectors = self.torch.linalg.eigh(safe)
        nan = self.tensor(float("nan"))
        roots = self.torch.where(is_finite[..., None], roots, nan)
        return roots, self.torch.where(is_finite[..., None, None], vectors, nan)

    def inverse_root(self, a: Any, order: float) -> Any:
        """Return `a ** (-1/order)` of symmetric matrices (..., n, n), from their eigenvalues."""
        roots, vectors = self.decomposed(a)
        largest = roots.abs().amax(-1, keepdim=True) if roots.numel() else roots
        least = self.torch.finfo(roots.dtype).eps * largest
        powers = self.torch.maximum(roots, least) ** (-1.0 / order)
        return self.torch.matmul(vectors * powers[..., None, :], vectors.mT)

    def eigenvectors(self, a: Any) -> Any:
        """Return the orthonormal eigenvectors (..., n, n), largest eigenvalue first."""
        return self.decomposed(a)[1].flip(-1)

    def eigenvalues(self, a: Any) -> Any:
        """Return eigenvalues (..., n, 1), the largest first."""
        return self.decomposed(a)[0].flip(-1)[..., None]

    def orthonormal(self, a: Any) -> Any:
        """Return Q of the QR decomposition; columns after the first n are 0."""
        safe = self.torch.where(_is_finite(a), a, self.torch.zeros_like(a))
        basis = self.torch.linalg.qr(safe)[0]
        if a.shape[-1] > a.shape[-2]:
            more = self.torch.zeros_like(a[..., a.shape[-2] :])
            basis = self.torch.cat([basis, more], -1)
        return self._known(basis, a)

    def inverse(self, a: Any) -> Any:
        """Return inverses; NaN for matrices that are singular or not finite."""
        return self._known(*self.torch.linalg.inv_ex(a), a)

    def cholesky(self, a: Any) -> Any:
        """Return lower triangular factors; NaN where a matrix is not positive definite."""
        return self._known(*self.torch.linalg.cholesky_ex(a), a)

    def solve(self, a: Any, b: Any) -> Any:
        """Return the solutions X of A X = B; NaN where A is singular."""
        return self._known(*self.torch.linalg.solve_ex(a, b), a, b)

    def solve_triangular(self, a: Any, b: Any, lower: bool) -> Any:
        """Return the solutions X of A X = B, where A is triangular."""
        own = a.tril() if lower else a.triu()
        return self._known(self.torch.linalg.solve_triangular(own, b, upper=not lower), own, b)

    def diagonal(self, a: Any) -> Any:
        """Return diagonals (..., n, 1)."""
        return a.diagonal(0, -2, -1)[..., None].clone()

    def diagonal_matrix(self, v: Any) -> Any:
        """Return diagonal matrices of columns (..., n, 1)."""
        return self.torch.diag_embed(v[..., 0])

    def first_columns(self, a: Any, count: int) -> Any:
        """Return the first columns (..., n, count); those that there are not are 0."""
        more = max(0, count - a.shape[-1])
        return self.torch.nn.functional.pad(a, (0, more))[..., :count].clone()

    def top_rows(self, scores: Any, count: int | None = None) -> Any:
        """Return the numbers of the largest scores, or of all; see `linalg.top_rows`."""
        # A device may sort by bits, where -0 is not 0.
        order = self.torch.argsort(scores[..., 0] + 0.0, dim=-1, descending=True, stable=True)
        return order[..., :count, None].to(scores.dtype)

    def take_rows(self, a: Any, indices: Any) -> Any:
        """Return rows (..., k, m) of matrices (..., n, m); NaN for those that there are not."""
        outer = self.torch.broadcast_shapes(a.shape[:-2], indices.shape[:-2])
        rows, cols = a.shape[-2:]
        if not rows:
            return a.new_full((*outer, indices.shape[-2], cols), np.nan)
        is_row = (indices >= 0) & (indices < rows)
        places = self.torch.where(is_row, indices, 0).long().expand(*outer, -1, cols)
        found = a.expand(*outer, rows, cols).gather(-2, places)
        return self.torch.where(is_row, found, self.torch.full_like(found, np.nan))

    def put_rows(self, a: Any, indices: Any, rows: Any) -> Any:
        """Return matrices with other rows; those for rows that there are not are left out."""
        outer = self.torch.broadcast_shapes(*(own.shape[:-2] for own in (a, indices, rows)))
        count, cols = a.shape[-2:]
        found = a.new_empty(*outer, count + 1, cols)  # the last takes what is no row
        found[..., :count, :] = a
        is_row = (indices >= 0) & (indices < count)
        places = self.torch.where(is_row, indices, count).long().expand(*outer, -1, cols)
        return found.scatter_(-2, places, rows.expand(*outer, -1, cols))[..., :count, :].clone()

    def _known(self, result: Any, *operands: Any) -> Any:
        """Return a result that is NaN where it, or an operand, is not finite.

        Codes of LAPACK among the operands are 0 where a matrix has a result.
        """
        is_known = _is_finite(result)
        for own in operands:
            is_one = own.is_floating_point()
            is_known = is_known & (_is_finite(own) if is_one else (own == 0)[..., None, None])
        return self.torch.where(is_known, result, self.torch.full_like(result, np.nan))

    def reduced(self, a: Any, kind: str, axes: tuple[int, ...] | None) -> Any:
        """Return a reduction of matrices, which keeps the axes; see `linalg.reduced`."""
        over = tuple(range(-a.ndim, 0)) if axes is None else axes
        count = math.prod(a.shape[axis] for axis in over)
        if kind in ("max", "min") and not count:
            shape = [1 if axis in over else a.shape[axis] for axis in range(-a.ndim, 0)]
            return a.new_full(shape, -np.inf if kind == "max" else np.inf)
        if kind in ("max", "min"):
            return (a.amax if kind == "max" else a.amin)(over, keepdim=True)
        wide = a.double()
        if kind == "prod":
            for axis in over:
                wide = wide.prod(axis, keepdim=True)
            return wide.to(a.dtype)
        total = (wide.square() if kind == "norm" else wide).sum(over, keepdim=True)
        total = total.sqrt() if kind == "norm" else total
        if kind == "mean":
            total = total / count if count else self.torch.full_like(total, np.nan)
        return total.to(a.dtype)

    def drawn(self, shape: Any, dtype: Any, kind: str, stream: int, *places: Any) -> Any:
        """Return a random matrix; see `random_matrices`. Scalars stay on the device."""
        device = self.like.device
        position = self.torch.arange(math.prod(shape), device=device).reshape(shape)
        whole = (p.long() if isinstance(p, self.torch.Tensor) else int(p) for p in places)
        random = words(position, stream, *whole)
        is_single = dtype == self.torch.float32
        return distributed(kind, random, is_single, self.torch.Tensor.double, self.torch).to(dtype)

    def narrow(self, a: Any) -> Any:
        """Round a matrix to bfloat16."""
        return a.to(self.torch.bfloat16)

    def wide(self, a: Any) -> Any:
        """Convert a bfloat16 matrix to the dtype of the arithmetic."""
        return a.to(self.like.dtype)

    def product(
        self,
        a: Any,
        b: Any,
        alpha: float = 1.0,
        c: Any = None,
        beta: float = 0.0,
        is_symmetric: bool = False,
    ) -> Any:
        """Return alpha*A*B + beta*C of matrices rounded to bfloat16, as `Learner` says.

        Args:
            a: A (..., n, k).
            b: B (..., k, m).
            alpha: a number.
            c: C (..., n, m), or None for alpha*A*B.
            beta: a number.
            is_symmetric: whether the result is symmetric whatever the elements are, so that half
                of it is enough.
        """
        a, b = self.narrow(a), self.narrow(b)
        c = None if c is None else self.narrow(c)
        if a.ndim == b.ndim == 2:
            if is_symmetric and len(a) > STRIP and not a.is_cuda:
                return self._by_strips(a, b, alpha, c, beta)
            if c is None:
                return self.torch.mm(a, b)
            return self.torch.addmm(c, a, b, beta=beta, alpha=alpha)
        if c is None:
            return self.torch.matmul(a, b)
        outer = self.torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        stacks = [m.expand(*outer, *m.shape[-2:]).reshape(-1, *m.shape[-2:]) for m in (c, a, b)]
        found = self.torch.baddbmm(*stacks, beta=beta, alpha=alpha)
        return found.reshape(*outer, *found.shape[-2:])

    def _by_strips(self, a: Any, b: Any, alpha: float, c: Any, beta: float) -> Any:
        """Return a symmetric alpha*A*B + beta*C, from its lower half."""
        out = a.new_empty(len(a), b.shape[1])
        for first in range(0, len(a), STRIP):
            end = min(first + STRIP, len(a))
            strip = out[first:end, :end]
            if c is None:
                self.torch.mm(a[first:end], b[:, :end], out=strip)
            else:
                own = c[first:end, :end]
                self.torch.addmm(own, a[first:end], b[:, :end], beta=beta, alpha=alpha, out=strip)
            out[:first, first:end] = strip[:, :first].mT
        return out


def _is_finite(a: Any) -> Any:
    """Return which matrices of a stack are finite, (..., 1, 1)."""
    return a.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
