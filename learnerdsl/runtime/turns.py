"""Mutual exclusion: one update of a learner at a time, and one parallel launch of all learners.

The lock is a list with one token: a function pops the token, works, and appends it again. This is
faster than `threading.Lock`. An exception between two lines, such as KeyboardInterrupt, can lose
the token, so a waiting thread checks whether any thread is inside the function at all.
"""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from learnerdsl.forks import hold_across_forks

TOKEN = object()
POLL = 2e-4
"""Seconds between two attempts to take the token."""

_one_look = threading.Lock()
hold_across_forks(_one_look)


def wait_for_turn(owner: Any, turn: list[Any], *functions: Callable[..., Any]) -> None:
    """Wait until there may be a token, then return; another thread may still take it first.

    Args:
        owner: the `self` of the function that the token guards; None if all objects share it.
        turn: the list that holds the token, or is empty.
        functions: those that take the token; one of them must call this one directly.
    """
    # No thread takes a token while it waits here; the lock keeps two from replacing a lost one.
    with _one_look:
        is_lost = not turn and not any(
            is_of(frame, owner, *functions) and not is_waiting
            for innermost in sys._current_frames().values()
            for frame, is_waiting in with_waiting(innermost)
        )
        if is_lost:
            turn.append(TOKEN)
    if not is_lost:
        time.sleep(POLL)


def is_nested(owner: Any, *functions: Callable[..., Any]) -> bool:
    """Return whether the calling function runs inside another call of one of `functions`."""
    caller = sys._getframe(1)
    return any(is_of(frame, owner, *functions) for frame in stack_of(caller.f_back))


def is_of(frame: FrameType, owner: Any, *functions: Callable[..., Any]) -> bool:
    """Return whether a frame is a call of one of the functions for this owner."""
    is_same = any(frame.f_code is getattr(function, "__code__", None) for function in functions)
    return is_same and (owner is None or frame.f_locals.get("self") is owner)


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and its callers, innermost first."""
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def with_waiting(innermost: FrameType) -> list[tuple[FrameType, bool]]:
    """Return the frames of a thread, each with whether it is waiting for the token."""
    frames = stack_of(innermost)
    waits = [False, *(frame.f_code is wait_for_turn.__code__ for frame in frames)]
    return list(zip(frames, waits, strict=False))
