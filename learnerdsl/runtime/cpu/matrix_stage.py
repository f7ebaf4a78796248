"""Matrix functions between two sweeps on the host: in PyTorch where NumPy lacks them, and stacked.

A call of BLAS for a small matrix takes longer than its arithmetic. So the small matrices of equal
shape of a model are stacked, where a function of matrices has no other inputs.
"""

import math
import platform
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.ir import Block, Rank
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.interop import as_tensor, torch_if_installed
from learnerdsl.runtime.cpu.memory import Memory
from learnerdsl.runtime.torch_matrices import TorchMatrices


@dataclass(frozen=True)
class Limits:
    """The matrices that are worth stacking, measured with Newton-Schulz iterations.

    Attributes:
        matrix: the most elements of a matrix.
        stack: the most elements of a stack.
    """

    matrix: int
    stack: int


LIMITS = {"full": Limits(1 << 12, 1 << 15), "bfloat16": Limits(1 << 16, 1 << 20)}
"""How matrices are multiplied -> the limits. NumPy's stacks should fit into a cache."""


def host_matrices(program: Program) -> "HostMatrices | None":
    """Return what runs the matrix functions of a program, or None if that is NumPy.

    Raises:
        LearnerError: it is PyTorch, which is not installed.
    """
    if program.precision.products == "full":
        return None
    torch = torch_if_installed()
    if torch is None:
        msg = (
            f"products={program.precision.products!r} needs PyTorch, since NumPy multiplies no "
            "bfloat16; install it with pip install 'learnerdsl[torch]', or leave products out."
        )
        raise LearnerError(msg)
    return HostMatrices(torch, program.precision.arithmetic)


def has_bfloat16_units(torch: Any) -> bool:
    """Return whether the processor has instructions for products of bfloat16 matrices."""
    if platform.machine() in ("x86_64", "AMD64"):
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, bool)() for name in names)
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build without that library
        return False


class HostMatrices(TorchMatrices):
    """PyTorch's functions for NumPy arrays, whose memory the tensors share.

    Args:
        torch: the module `torch`.
        dtype: dtype of the arithmetic.

    Attributes:
        has_units: whether PyTorch multiplies. Where the processor has no units for bfloat16, it is
            up to 50 times slower than in float32, so NumPy multiplies what is rounded as float32.
            Products of two such numbers are exact there, so only the order of sums differs.
    """

    def __init__(self, torch: Any, dtype: str) -> None:
        super().__init__(torch)
        self.like = torch.from_numpy(np.zeros(1, dtype))
        self.has_units = has_bfloat16_units(torch)

    def product(
        self,
        a: Any,
        b: Any,
        alpha: float = 1.0,
        c: Any = None,
        beta: float = 0.0,
        is_symmetric: bool = False,
    ) -> Any:
        """Return alpha*A*B + beta*C of matrices rounded to bfloat16; see `TorchMatrices`."""
        if self.has_units:
            return super().product(a, b, alpha, c, beta, is_symmetric)
        if is_symmetric and a is b:
            b = a.mT  # of which BLAS computes a half
        operands = [a, b] if c is None else [a, b, c]
        first, second, *own = _as_float32([self.narrow(matrix) for matrix in operands])
        found = np.matmul(first, second)
        if alpha != 1:
            found *= alpha
        if own:
            added = beta * own[0]
            added += found
            found = added
        return self.narrow(self.torch.from_numpy(found))

    def array(self, view: Any) -> Any:
        """Convert an array to a tensor in the same memory; return a tensor as it is."""
        if not isinstance(view, np.ndarray):
            return view
        # A tensor cannot be read-only; nothing writes to arrays that are.
        return as_tensor(view if view.flags.writeable else view.copy())

    def run(self, function: Callable[..., Any], matrices: Any, model: Any, tensor: Any) -> None:
        """Call a function of whole matrices, which may leave results for later ones."""
        with self.torch.no_grad():
            given = {name: self.array(array) for name, array in matrices.items()}
            own = dict(given)
            function(self, own, model, tensor)
            matrices.update({n: a for n, a in own.items() if a is not given.get(n)})


def _as_float32(matrices: Sequence[Any]) -> list[np.ndarray]:
    """Convert bfloat16 tensors to float32; tensors in the same memory stay in the same memory."""
    known: dict[Any, Any] = {}
    found: list[np.ndarray] = []
    for matrix in matrices:
        own, turned = ((m.data_ptr(), m.shape, m.stride()) for m in (matrix, matrix.mT))
        if own not in known:
            known[own] = known[turned].mT if turned in known else matrix.float()
        found.append(known[own].numpy())
    return found


class Stacks:
    """The stacks of small matrices of a program, on which its matrix function runs at once.

    Args:
        program: the program.
        memory: its arrays.
        shapes: the shapes of its tensors.

    Attributes:
        members: the numbers of the tensors of each stack.
    """

    def __init__(self, program: Program, memory: Memory, shapes: Sequence[tuple[int, ...]]) -> None:
        self.memory = memory
        self.parameter = program.kernel.parameter.name
        blocks = program.kernel.matrix_blocks
        own = [block for block in blocks if block.computes or block.stores]
        self.block = own[0] if len(own) == 1 and _is_of_matrices(program, own[0]) else None
        limits = LIMITS[program.precision.products]
        self.members = list(_equal_shapes(shapes, limits)) if self.block else []

    def run(self, function: Callable[..., Any], absent: Set[int]) -> set[int]:
        """Run the function for all stacks; return the numbers of their tensors.

        Args:
            function: a function of (arrays, model row, tensor row) that uses no row.
            absent: numbers of tensors that are left out.
        """
        done: set[int] = set()
        for members in self.members:
            present = [k for k in members if k not in absent]
            if present:
                self._run(function, present)
                done.update(present)
        return done

    def _run(self, function: Callable[..., Any], members: Sequence[int]) -> None:
        block: Any = self.block
        each = [self.memory.decode_for_matrices(k) for k in members]
        targets = [str(store.target) for store in block.stores]
        stacked = {self.parameter: each[0][self.parameter]}  # its shape is asked for
        for name in {str(load.array) for load in block.loads}:
            stacked[name] = np.stack([matrices[name] for matrices in each])
        for name in targets:
            like = each[0][name]
            stacked[name] = np.empty((len(members), *like.shape), like.dtype)
        function(stacked, None, None)
        for name in targets:
            for matrices, values in zip(each, stacked[name], strict=True):
                matrices[name][...] = values


def _is_of_matrices(program: Program, block: Block) -> bool:
    """Return whether a block depends on matrices alone, so that it can run on stacks of them."""
    kernel = program.kernel
    read = {s for c in block.computes for s in c.expression.free_symbols}
    values = [*read, *(c.expression for c in block.computes)]
    targets = {store.target for store in block.stores}
    loaded = {load.array for load in block.loads}
    return not targets & loaded and all(
        kernel.domain_of(value).rank >= Rank.ELEMENT for value in values
    )


def _equal_shapes(shapes: Sequence[tuple[int, ...]], limits: Limits) -> Iterator[list[int]]:
    """Yield the numbers of small tensors of equal shape, two or more, at most a stack of them."""
    small = [k for k, shape in enumerate(shapes) if 0 < math.prod(shape) <= limits.matrix]
    for shape, equal in groupby(sorted(small, key=lambda k: shapes[k]), lambda k: shapes[k]):
        members, most = list(equal), max(1, limits.stack // math.prod(shape))
        stacks = (members[first : first + most] for first in range(0, len(members), most))
        yield from (stack for stack in stacks if len(stack) > 1)
