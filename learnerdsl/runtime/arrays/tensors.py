"""Checks of gradients that are tensors of PyTorch in the memory of the host."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError
from learnerdsl.runtime.arrays.gradients import Checked, GradientCheck
from learnerdsl.runtime.arrays.host import Name, Span, address_of
from learnerdsl.runtime.arrays.interop import dense_kinds, is_tensor, tensor_dtype


class TensorCheck(GradientCheck):
    """Checks gradients, or other arrays, of a model of which some parameters are tensors.

    All gradients are checked in every update, since a tensor can be given other memory without
    becoming another object; so none has to be kept.

    Args:
        tensors: the parameters as the caller passed them.
        parameters: name -> the same parameters as NumPy arrays.
        what: what the arrays are, for error messages.
        states: the memory of the states: first byte, end, and name of the parameter.
        takes_rows: whether the arrays may be `RowSparse`.
        types: the number type of each array as kernels read it; see `GradientCheck`.
    """

    def __init__(
        self,
        tensors: Sequence[Any],
        parameters: dict[Name, np.ndarray],
        what: str,
        states: Sequence[Span],
        takes_rows: bool,
        types: Sequence[str] | None,
    ) -> None:
        super().__init__(parameters, what, states, takes_rows, types)
        arrays = list(parameters.values())
        pairs = list(zip(tensors, arrays, strict=True))
        self.tensors = [t for t, _ in pairs if is_tensor(t)]
        self.places = [address_of(array) for t, array in pairs if is_tensor(t)]
        self.kinds = [t.dtype for t in self.tensors]
        self.own = [name for name, t in zip(parameters, tensors, strict=True) if is_tensor(t)]

    def adopt(self, types: Sequence[str]) -> None:
        """Expect arrays of these number types, one for each parameter."""
        super().adopt(types)
        self.expected = [tensor_dtype(name) for name in types]

    def check(self, indices: Sequence[int], gradients: Sequence[Any]) -> Checked:
        """Return the gradients as kernels can read them; see `GradientCheck.check`."""
        self.refuse_moved()
        bounds, shapes, expected = self.bounds, self.shapes, self.expected
        classes, strided = dense_kinds()
        addresses: list[int] = []
        special: list[int] = []
        for index, gradient in zip(indices, gradients, strict=True):
            address = 0
            # Values on the host in row-major order, of the type that kernels read.
            if (
                type(gradient) in classes
                and gradient.dtype is expected[index]
                and gradient.shape == shapes[index]
                and gradient.is_cpu
                and gradient.layout is strided
                and gradient.is_contiguous()
                and not gradient.is_neg()
            ):
                address = gradient.data_ptr()
                below = bisect_right(bounds, address)
                nbytes = gradient.nbytes
                if below % 2 or bounds[below] < address + nbytes:
                    self.refuse_if_overlapping(index, address, nbytes)
            else:
                special.append(len(addresses))
            addresses.append(address)
        checked = Checked(gradients, addresses)
        if special:
            checked = self.with_special(indices, gradients, addresses, special)
        return checked._replace(unlasting=range(len(gradients)))

    def kind_of(self, array: Any) -> str:
        """Return the name of the number type of an array or tensor."""
        return str(array.dtype).removeprefix("torch.") if is_tensor(array) else array.dtype.name

    def refuse_moved(self) -> None:
        """Raise if a parameter has other memory or another dtype than when the learner was made."""
        if [t.data_ptr() for t in self.tensors] != self.places:
            moved = [t.data_ptr() != p for t, p in zip(self.tensors, self.places, strict=True)]
        elif [t.dtype for t in self.tensors] != self.kinds:
            moved = [t.dtype != kind for t, kind in zip(self.tensors, self.kinds, strict=True)]
        else:
            return
        name = self.own[moved.index(True)]
        msg = (
            f"Parameter {name!r} was given other memory since the learner was made, for example by "
            "model.to(...), load_state_dict(assign=True) or by setting p.data; make a new learner, "
            "and load the state_dict() of this one into it."
        )
        raise ArrayError(msg)
