"""Cuts arrays into minibatches, for `Function.train` and `Function.test`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import shown
from learnerdsl.cntk.graph.evaluation import batch
from learnerdsl.cntk.graph.nodes import numbers
from learnerdsl.cntk.graph.variables import Input
from learnerdsl.errors import ArrayError, DtypeError, UnknownNameError

Data = Mapping[Any, Any] | Sequence[Any]
Batch = tuple[dict[Input, Any], int, bool]


class Minibatches:
    """Minibatches of arrays, in the order of the samples, sweep after sweep.

    Args:
        inputs: the inputs of a criterion.
        source: arrays, in the order of the inputs or in a dict by input.
        needed: the inputs that must have data; all of them if left out.

    Attributes:
        size: number of samples in a sweep.
        position: index of the next sample within the sweep.
    """

    def __init__(
        self, inputs: Sequence[Input], source: Data, needed: Sequence[Input] | None = None
    ) -> None:
        given = _by_input(inputs, source)
        missing = [node for node in (inputs if needed is None else needed) if node not in given]
        if missing:
            msg = (
                f"Data for {', '.join(map(repr, missing))} are missing; give an array for each "
                "input."
            )
            raise UnknownNameError(msg)
        self.arrays = {node: _rows(node, data) for node, data in given.items()}
        sizes = {array.shape[0] for array in self.arrays.values()}
        if len(sizes) != 1 or 0 in sizes:
            msg = f"All arrays need the same number of samples, at least 1; got {sorted(sizes)}."
            raise ArrayError(msg)
        for node, array in self.arrays.items():
            batch(node, array[:1])
        self.size: int = sizes.pop()
        self.position = 0

    def next(self, count: int) -> Batch:
        """Return the next minibatch; it is smaller if the sweep ends."""
        start, end = self.position, min(self.position + count, self.size)
        self.position = end % self.size
        arrays = {node: array[start:end] for node, array in self.arrays.items()}
        return arrays, end - start, end == self.size

    def sweep(self, count: int) -> Iterator[Batch]:
        """Yield all minibatches of one sweep."""
        is_end = False
        while not is_end:
            found = self.next(count)
            is_end = found[2]
            yield found


def _by_input(inputs: Sequence[Input], source: Any) -> dict[Input, Any]:
    """Return the data by input."""
    if isinstance(source, (np.ndarray, str)) or hasattr(source, "tocsr"):
        source = (source,)
    if isinstance(source, (tuple, list)):
        if len(source) != len(inputs):
            msg = (
                f"Got {len(source)} arrays for the {len(inputs)} inputs {inputs}; give one for "
                "each."
            )
            raise ArrayError(msg)
        return dict(zip(inputs, source, strict=True))
    if not isinstance(source, Mapping):
        msg = f"Data must be a tuple or dict of arrays, got {shown(source)}."
        raise DtypeError(msg)
    names = {node.name: node for node in inputs if node.name}
    found: dict[Any, Any] = {
        names.get(key, key) if isinstance(key, str) else key: source[key] for key in source
    }
    for key in found:
        if key not in inputs:
            msg = (
                f"There are data for {shown(key)}, but the function takes {inputs}; leave them out."
            )
            raise UnknownNameError(msg)
    return found


def _rows(node: Input, data: Any) -> Any:
    """Return data whose slices are samples."""
    if hasattr(data, "tocsr"):
        return data.tocsr()
    array = numbers(data, f"The data for {node!r}")
    if not array.ndim:
        msg = f"The data for {node!r} are one number, {shown(data)}; give a row for each sample."
        raise ArrayError(msg)
    return array
