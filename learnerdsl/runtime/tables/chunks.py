"""Chunks of tensors: what one call of a kernel works on, and how threads share them."""

import numpy as np

CHUNK = 4_096
"""Elements of a chunk. Reductions sum chunk by chunk, so this is part of their value's definition.
Larger chunks are no faster, and two threads cannot share a few of them evenly: 16,384 took 1.25
times as long for 100,000 elements."""

PART_ROWS = 64
"""Fewest rows of a chunk where each chunk keeps sums of its own for every column: they are then a
small part of the traffic."""


def tabulate_chunks(sizes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Chunk table of whole tensors: rows of (tensor, start, start in the gradient, count).

    Args:
        sizes: numbers of elements of the tensors.
        steps: for each tensor, the elements of a chunk.
    """
    counts = -(-sizes // steps)
    first = np.cumsum(counts) - counts
    tensor = np.repeat(np.arange(len(sizes)), counts)
    start = (np.arange(len(tensor)) - first[tensor]) * steps[tensor]
    count = np.minimum(steps[tensor], sizes[tensor] - start)
    return np.ascontiguousarray(np.stack([tensor, start, start, count], axis=1).astype(np.int64))


def split_evenly(costs: np.ndarray, parts: int) -> np.ndarray:
    """Bounds of at most `parts` runs of about equal cost."""
    total = np.concatenate([[0], np.cumsum(costs)])
    wanted = np.linspace(0, total[-1], min(parts, max(1, len(costs))) + 1)
    return np.unique(np.searchsorted(total, wanted)).astype(np.int64)
