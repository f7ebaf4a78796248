"""Chunks of tensors: one call of a kernel processes one chunk, and threads share the chunks."""

import numpy as np

CHUNK = 4_096
"""Number of elements of a chunk. Reductions have one partial sum for each chunk, so their rounding
depends on this number. Larger chunks are not faster, and two threads cannot share a few of them
evenly: with 16,384, an update of 100,000 elements took 1.25 times as long."""

PART_ROWS = 64
"""Smallest number of rows of a part if it has partial sums for every column, so that these are a
small share of the memory traffic."""


def tabulate_chunks(sizes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the chunk table of whole tensors.

    Args:
        sizes: number of elements of each tensor (tensors,), int64.
        steps: number of elements of a chunk of each tensor (tensors,), int64.

    Returns:
        Rows of (tensor, start, start in the gradient, count), of shape (chunks, 4), int64.
    """
    counts = -(-sizes // steps)
    first = np.cumsum(counts) - counts
    tensor = np.repeat(np.arange(len(sizes)), counts)
    start = (np.arange(len(tensor)) - first[tensor]) * steps[tensor]
    count = np.minimum(steps[tensor], sizes[tensor] - start)
    return np.ascontiguousarray(np.stack([tensor, start, start, count], axis=1).astype(np.int64))


def split_evenly(costs: np.ndarray, parts: int) -> np.ndarray:
    """Return the bounds of at most `parts` runs of items with about equal total cost."""
    total = np.concatenate([[0], np.cumsum(costs)])
    wanted = np.linspace(0, total[-1], min(parts, max(1, len(costs))) + 1)
    return np.unique(np.searchsorted(total, wanted)).astype(np.int64)
