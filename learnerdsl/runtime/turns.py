"""One update of a learner at a time: threads wait for each other, an update within one is refused.

A learner has a list with one token. An update takes it and puts it back; that costs less than a
lock. An exception that comes between two lines, as KeyboardInterrupt may, can lose the token, so
whoever waits looks whether anybody is in an update at all.
"""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from learnerdsl.errors import LearnerError

TOKEN = object()
POLL = 2e-4
"""Seconds between two looks whether it is one's turn."""

_one_look = threading.Lock()


def wait_for_turn(owner: Any, turn: list[Any], update: Callable[..., Any]) -> None:
    """Return when there may be a token to take, which another thread may take first.

    Args:
        owner: the learner.
        turn: its list of one token, or none.
        update: the function that takes the token; this one is called by it directly.

    Raises:
        LearnerError: this thread is in an update of the learner already.
    """
    code: Any = getattr(update, "__code__", None)
    caller = sys._getframe(1)
    if any(is_update(frame, owner, code) for frame in stack_of(caller.f_back)):
        msg = (
            "This learner is in the middle of an update, so that it cannot be updated by what that "
            "calls, such as a schedule."
        )
        raise LearnerError(msg)
    # Nobody who waits takes the token in here, so others may look at the same time.
    with _one_look:
        is_lost = not turn and not any(
            is_update(frame, owner, code) and not is_waiting
            for innermost in sys._current_frames().values()
            for frame, is_waiting in with_waiting(innermost)
        )
        if is_lost:
            turn.append(TOKEN)
    if not is_lost:
        time.sleep(POLL)


def is_update(frame: FrameType, owner: Any, code: Any) -> bool:
    """Whether a frame is an update of this learner."""
    return frame.f_code is code and frame.f_locals.get("self") is owner


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
