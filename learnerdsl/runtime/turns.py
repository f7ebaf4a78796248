"""Turns: one update of a learner at a time, and one launch on threads of all learners.

There is a list with one token. Who has a turn takes it and puts it back; that costs less than a
lock. An exception that comes between two lines, as KeyboardInterrupt may, can lose the token, so
whoever waits looks whether anybody has a turn at all.
"""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

TOKEN = object()
POLL = 2e-4
"""Seconds between two looks whether it is one's turn."""

_one_look = threading.Lock()


def wait_for_turn(owner: Any, turn: list[Any], function: Callable[..., Any]) -> None:
    """Return when there may be a token to take, which another thread may take first.

    Args:
        owner: whose turns these are: the `self` of the function, or None if they are everybody's.
        turn: the list of one token, or none.
        function: what takes the token itself; this one is called by it directly.
    """
    # Nobody who waits takes the token in here, so others may look at the same time.
    with _one_look:
        is_lost = not turn and not any(
            is_of(frame, owner, function) and not is_waiting
            for innermost in sys._current_frames().values()
            for frame, is_waiting in with_waiting(innermost)
        )
        if is_lost:
            turn.append(TOKEN)
    if not is_lost:
        time.sleep(POLL)


def is_nested(owner: Any, function: Callable[..., Any]) -> bool:
    """Whether the function, which calls this one, runs within another call of itself."""
    caller = sys._getframe(1)
    return any(is_of(frame, owner, function) for frame in stack_of(caller.f_back))


def is_of(frame: FrameType, owner: Any, function: Callable[..., Any]) -> bool:
    """Whether a frame is one of the function, for this owner."""
    is_same = frame.f_code is getattr(function, "__code__", None)
    return is_same and (owner is None or frame.f_locals.get("self") is owner)


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """A frame and those that called it."""
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def with_waiting(innermost: FrameType) -> list[tuple[FrameType, bool]]:
    """The frames of a thread, and whether each of them waits for its turn."""
    frames = stack_of(innermost)
    waits = [False, *(frame.f_code is wait_for_turn.__code__ for frame in frames)]
    return list(zip(frames, waits, strict=False))
