"""Locks that a fork waits for, so that no child starts with one that nobody can release."""

import os
from collections.abc import Callable
from typing import Any


def hold_across_forks(lock: Any, settle: Callable[[], None] | None = None) -> None:
    """Let every fork acquire a lock first and release it afterwards in both processes.

    Args:
        lock: a lock of `threading`.
        settle: called in the child after the release.
    """
    if not hasattr(os, "register_at_fork"):
        return
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )
    if settle is not None:
        os.register_at_fork(after_in_child=settle)
