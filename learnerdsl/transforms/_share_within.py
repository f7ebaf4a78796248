"""The factor that limits a size, which several transforms share."""

from typing import Any

from learnerdsl import maximum, where


def share_within(limit: Any, size: Any) -> Any:
    """Return the factor that brings a size down to the limit; 0 for a limit below 0."""
    limit = maximum(limit, 0)
    return where(size <= limit, 1, limit / size)
