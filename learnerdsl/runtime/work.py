"""Describe the work of an engine: the tensors that it updates, by which rules, in which groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from learnerdsl.runtime.shards import Shard
from learnerdsl.storage import Precision
from learnerdsl.tracing import Rule


@dataclass(frozen=True)
class Work:
    """The tensors that an engine updates, and all it has to know besides their memory.

    Attributes:
        rules: the traced rule of each tensor; equal rules are one object.
        shapes: the shape of each tensor, of the whole one if processes hold parts.
        groups: the number of the group of each tensor.
        group_count: the number of groups; some may have no tensor here.
        numbers: the number of each tensor in its learner, on which its random numbers depend.
        seed: seed of the random numbers, for rules that draw any.
        check_finite: whether to refuse updates with NaN or infinite gradients.
        precisions: the number types of each tensor's arrays.
        shards: what part of each tensor this process holds; None for a whole tensor.
    """

    rules: Sequence[Rule]
    shapes: Sequence[tuple[int, ...]]
    groups: Sequence[int]
    group_count: int
    numbers: Sequence[int]
    seed: int
    check_finite: bool
    precisions: Sequence[Precision]
    shards: Sequence[Shard | None]

    def only(self, own: Sequence[int]) -> "Work":
        """Return the work on the tensors with these indices alone."""
        return replace(
            self,
            rules=[self.rules[k] for k in own],
            shapes=[self.shapes[k] for k in own],
            groups=[self.groups[k] for k in own],
            numbers=[self.numbers[k] for k in own],
            precisions=[self.precisions[k] for k in own],
            shards=[self.shards[k] for k in own],
        )
