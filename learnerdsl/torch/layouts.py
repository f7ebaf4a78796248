"""View tensors as rules and learners take them: dense, real, in the order of their memory."""

from typing import Any

import torch

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.runtime.arrays.interop import host_array
from learnerdsl.runtime.arrays.sparse import RowSparse
from learnerdsl.storage import PARAMETER_TYPES, STORAGES, Storage
from learnerdsl.torch.devices import is_on_gpu, refuse_device
from learnerdsl.torch.ranks import divided_as, is_distributed, like, local_of
from learnerdsl.torch.whole import refuse_flattened
from learnerdsl.tracing import Rule


class Layout:
    """How a learner sees a parameter.

    A parameter of another dense layout than row-major, such as channels_last, is seen with its
    axes in the order of memory. A complex one is seen as pairs of reals. Both suit only rules that
    treat elements alike.

    Args:
        parameter: the parameter.
        rule: the traced rule that updates it.
        what: what it is, for error messages.
    """

    def __init__(self, parameter: torch.Tensor, rule: Rule, what: str) -> None:
        refuse_unusable(parameter, what)
        refuse_flattened(parameter, rule, what)
        self.parameter = parameter
        self.is_on_gpu = is_on_gpu(parameter)
        self.is_distributed = is_distributed(parameter)
        parameter = local_of(parameter)
        strides, axes = parameter.stride(), range(parameter.dim())
        self.is_complex = parameter.is_complex()
        self.order = () if parameter.is_contiguous() else sorted(axes, key=lambda a: -strides[a])
        if self.order and not parameter.permute(*self.order).is_contiguous():
            msg = (
                f"{what} of shape {tuple(parameter.shape)} and strides {strides} has gaps in "
                "memory or overlaps itself, so it cannot be updated in place; create it dense."
            )
            raise ArrayError(msg)
        is_usual = not (self.order or self.is_complex)
        self.is_usual = is_usual and not self.is_distributed
        if self.is_distributed and not is_usual:
            form = "complex" if self.is_complex else "not in row-major order"
            msg = (
                f"{what} is a DTensor whose part is {form}, which these optimizers cannot update; "
                "make it real and contiguous before you shard the model."
            )
            raise ArrayError(msg)
        if not is_usual and (rule.ndim is not None or rule.needs_whole_tensors):
            form = "is complex" if self.is_complex else "is not in row-major order"
            msg = (
                f"{what} of shape {tuple(parameter.shape)} {form}, but {rule.name} works on axes "
                "or matrices of a tensor; use a rule that treats all elements alike, or make the "
                "parameter real and contiguous."
            )
            raise ArrayError(msg)
        self.shape = self.view(parameter.detach()).shape

    def view(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the parameter, or its gradient, as the learner sees it."""
        if self.is_distributed:
            return divided_as(self.parameter, tensor)
        if self.order:
            tensor = tensor.permute(*self.order)
        return torch.view_as_real(tensor) if self.is_complex else tensor

    def gradient(self, tensor: Any) -> Any:
        """Return a gradient as the learner takes it, also a sparse one; None stays None."""
        if tensor is None:
            return None
        if self.is_distributed:
            view = self.view(tensor)
            return view.contiguous() if self.is_on_gpu else view
        if tensor.is_sparse and tensor.sparse_dim():
            return self._rows(tensor)
        tensor = tensor.to_dense() if tensor.is_sparse else tensor
        view = self.view(tensor.resolve_conj().resolve_neg())
        return view.contiguous() if self.is_on_gpu else view

    def _rows(self, tensor: torch.Tensor) -> RowSparse:
        """Return the rows of a sparse gradient."""
        if self.order and self.order[0] != 0:
            msg = (
                f"A sparse gradient of shape {tuple(tensor.shape)} updates rows, which do not lie "
                "together in the memory of its parameter; make the parameter contiguous, or give "
                "it the gradient's to_dense()."
            )
            raise ArrayError(msg)
        coalesced = tensor.coalesce()
        indices, values = coalesced.indices()[0], coalesced.values()
        if tensor.sparse_dim() > 1:
            indices = indices.unique()
            values = tensor.to_dense()[indices]
        values = self.view(values.resolve_conj())
        if self.is_on_gpu:
            return RowSparse(indices.cpu().numpy(), values.contiguous(), tuple(self.shape))
        array = host_array(values, "A sparse gradient")
        return RowSparse(indices.numpy(), array, tuple(self.shape))

    def restored(self, tensor: torch.Tensor, is_of_elements: bool) -> torch.Tensor:
        """Return an array of the learner as one of the parameter.

        Args:
            tensor: the array.
            is_of_elements: whether it has a value for each element.
        """
        if self.is_usual or not is_of_elements:
            return tensor
        if self.is_distributed:
            return like(self.parameter, tensor)
        if self.is_complex:
            tensor = torch.view_as_complex(tensor)
        if self.order:
            back = sorted(range(len(self.order)), key=lambda axis: self.order[axis])
            tensor = tensor.permute(*back)
        return tensor


def storage_of(parameter: torch.Tensor) -> Storage:
    """Return the number type of a parameter; that of its parts if it is complex."""
    real = torch.view_as_real(parameter.detach()) if parameter.is_complex() else parameter
    return STORAGES[str(real.dtype).removeprefix("torch.")]


def is_narrow(parameter: torch.Tensor) -> bool:
    """Return whether updates compute in a wider type than that of the parameter."""
    kind = storage_of(parameter)
    return kind.arithmetic != kind.name


def refuse_unusable(parameter: torch.Tensor, what: str) -> None:
    """Raise if a parameter cannot be updated by this front end."""
    refuse_device(parameter, what)
    if parameter.is_conj() or parameter.is_neg():
        msg = (
            f"{what} is a lazy conjugate or negative, so it cannot be updated in place; create it "
            "of tensor.resolve_conj().resolve_neg()."
        )
        raise ArrayError(msg)
    if parameter.layout != torch.strided:
        msg = f"{what} has the layout {parameter.layout}, but parameters must be dense."
        raise ArrayError(msg)
    kind = str(parameter.dtype).removeprefix("torch.")
    if kind not in (*PARAMETER_TYPES, "complex64", "complex128"):
        listed = ", ".join((*PARAMETER_TYPES, "complex64", "complex128"))
        msg = f"{what} has dtype {parameter.dtype}, but must be one of {listed}."
        raise DtypeError(msg)
