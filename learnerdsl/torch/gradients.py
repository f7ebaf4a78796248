"""Read the gradients of all parameters of a learner at once, without Python for each of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from learnerdsl.runtime.arrays.dlpack import UNUSUAL, Forms, function_of, objects_of
from learnerdsl.runtime.arrays.gradients import Addresses
from learnerdsl.torch.layouts import Layout


class Reader:
    """Compares the memory of parameters and gradients with what a learner expects.

    Whatever is not as expected is left to the checks of the learner, which know what to do about
    it: a gradient that is sparse, has another type or other strides, or overlaps a parameter.

    Args:
        tensors: the parameters.
        layouts: how the learner sees them.
        learner: their learner.
    """

    def __init__(
        self, tensors: Sequence[torch.Tensor], layouts: Sequence[Layout], learner: Any
    ) -> None:
        self.learner = learner
        self.layouts = layouts
        self.function = function_of(torch.Tensor)
        self.shapes = [tensor.shape for tensor in tensors]
        self.strides = [tensor.stride() for tensor in tensors]
        self.parameters = objects_of(tensors)
        kinds = [tensor.dtype for tensor in tensors]
        places = [tensor.data_ptr() for tensor in tensors]
        self.device = tensors[0]
        forms = self.function, samples_of(kinds), self.shapes, self.strides
        self.own = Forms(*forms, places=places, device=self.device)
        # A view of the imaginary part of a conjugate is negated lazily. Its strides are at least
        # 2, which matters only for more than one element.
        self.lazy = [k for k, t in enumerate(tensors) if layouts[k].is_complex or t.numel() == 1]
        self.expect(learner._check.expected)

    @classmethod
    def of(
        cls, tensors: Sequence[torch.Tensor], layouts: Sequence[Layout], learner: Any
    ) -> "Reader | None":
        """Return a reader, or None if the learner has to check the gradients itself."""
        is_plain = all(type(t) in (torch.Tensor, torch.nn.Parameter) for t in tensors)
        # To name what holds NaN, the learner has to know the gradients.
        names_nonfinite = learner._nonfinite == "raise"
        if not learner._engine.takes_addresses or names_nonfinite or not is_plain:
            return None
        made = cls(tensors, layouts, learner) if function_of(torch.Tensor) else None
        return made if made is not None and made.is_current() else None

    def expect(self, kinds: Sequence[torch.dtype]) -> None:
        """Expect gradients of these types as the learner sees them."""
        self.expected = kinds
        pairs = zip(kinds, self.layouts, strict=True)
        types = [kind.to_complex() if layout.is_complex else kind for kind, layout in pairs]
        taken = self.learner._check.bounds[:-1]
        forms = self.function, samples_of(types), self.shapes, self.strides
        self.forms = Forms(*forms, taken, device=self.device)
        self.all_there = Addresses(self.forms.addresses, ())

    def is_current(self) -> bool:
        """Return whether the parameters have the memory, type, shape and strides of before."""
        return self.own.read(self.parameters) == 0

    def read(self, gradients: Sequence[torch.Tensor | None]) -> Addresses | None:
        """Return the addresses of gradients, or None if the learner has to check them."""
        learner = self.learner
        if learner._is_choosing:
            return None
        if learner._check.expected is not self.expected:
            self.expect(learner._check.expected)
        missing = self.forms.read(objects_of(gradients))
        if missing == UNUSUAL or (self.lazy and self._has_lazy(gradients)):
            return None
        if not missing:
            return self.all_there
        return Addresses(self.forms.addresses, np.flatnonzero(~self.forms.is_there).tolist())

    def _has_lazy(self, gradients: Sequence[Any]) -> bool:
        """Return whether the memory of a gradient holds its conjugates or negatives."""
        own = [gradients[k] for k in self.lazy]
        return any(g is not None and (g.is_neg() or g.is_conj()) for g in own)


def samples_of(kinds: Sequence[torch.dtype]) -> list[torch.Tensor]:
    """Return a tensor of each of these types; equal types have one tensor."""
    made = {kind: torch.empty(0, dtype=kind) for kind in set(kinds)}
    return [made[kind] for kind in kinds]
