"""The part of the interface for skipped tensors, for engines that skip all or none."""

from collections.abc import Sequence
from typing import Any

from learnerdsl.errors import InternalError, LearnerError


class WholeUpdates:
    """The part of the interface for skipped tensors, for an engine that skips all or none.

    Attributes:
        missed: number of updates that skipped all tensors, which the device has not counted.
    """

    sizes: Any
    step_count: Any
    missed: Any

    def miss(self, missed: int) -> None:
        """Let the device count from a step that is so much less than `step_count`."""
        raise NotImplementedError

    @property
    def tensor_steps(self) -> float | list[float]:
        """The number of updates of each tensor, which is the same for all."""
        return self.step_count - self.missed

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, the number of updates that skipped it."""
        return [self.missed] * len(self.sizes)

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Set the number of updates that skipped each tensor; raise if it is not the same."""
        if len(set(missed)) > 1:
            msg = (
                "Some parameters had no gradient in earlier updates and have done fewer steps, but "
                "on a GPU all parameters must have done the same number."
            )
            raise LearnerError(msg)
        if missed[0] != self.missed:
            self.miss(missed[0])

    def launch_without(self, absent: Sequence[int]) -> Any:
        """Raise; the check of gradients refuses None before this is called."""
        msg = f"no update on a device leaves out tensors, got {absent}"
        raise InternalError(msg)
