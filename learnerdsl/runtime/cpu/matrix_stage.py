"""Matrix functions between two sweeps on the host that NumPy lacks: products of bfloat16."""

from collections.abc import Callable
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.interop import torch_if_installed
from learnerdsl.runtime.torch_matrices import TorchMatrices


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


class HostMatrices(TorchMatrices):
    """PyTorch's functions for NumPy arrays, whose memory the tensors share.

    Args:
        torch: the module `torch`.
        dtype: dtype of the arithmetic.
    """

    def __init__(self, torch: Any, dtype: str) -> None:
        super().__init__(torch)
        self.like = torch.from_numpy(np.zeros(1, dtype))

    def array(self, view: Any) -> Any:
        """Convert an array to a tensor in the same memory; return a tensor as it is."""
        if not isinstance(view, np.ndarray):
            return view
        # A tensor cannot be read-only; nothing writes to arrays that are.
        return self.torch.from_numpy(view if view.flags.writeable else view.copy())

    def run(self, function: Callable[..., Any], matrices: Any, model: Any, tensor: Any) -> None:
        """Call a function of whole matrices, which may leave results for later ones."""
        with self.torch.no_grad():
            own = {name: self.array(array) for name, array in matrices.items()}
            given = set(own)
            function(self, own, model, tensor)
            matrices.update({name: own[name] for name in own.keys() - given})
