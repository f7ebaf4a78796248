"""The factor that limits a size, which several transforms share."""

from typing import Any

from learnerdsl import maximum, where


def share_within(limit: Any, size: Any) -> Any:
    """What to multiply a thing of that size by, so that its size is at most the limit."""
    limit = maximum(limit, 0)
    return where(size <= limit, 1, limit / size)
