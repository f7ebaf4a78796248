"""The threads of updates: their number, the library that runs them, and the effect of a fork."""

import os
import threading
import weakref
from typing import Any, Protocol

import numba
import numpy as np
from numba.core import config

from learnerdsl.errors import HyperparameterError
from learnerdsl.runtime.turns import TOKEN, is_nested, wait_for_turn

_settings: Any = config
if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    # OpenMP first: its launches are the fastest, and it works together with torch's threads.
    _settings.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


class UsesThreads(Protocol):
    """An engine that launches on threads."""

    def choose_threads_later(self) -> None:
        """Choose again, at the next launch, whether to use threads."""
        ...


def _of_environment() -> int:
    """Return the number in OMP_NUM_THREADS, which Numba does not read; 0 if it is not set."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if "NUMBA_NUM_THREADS" in os.environ or not first.isdecimal():
        return 0
    return min(int(first), _settings.NUMBA_NUM_THREADS)


_chosen = _of_environment()
"""The number of threads of updates; 0 for the number that Numba uses in the calling thread."""

_is_set = False
"""Whether `set_num_threads` was called."""

_lost_threads = False
"""Whether this process was forked from one with Numba's threads, which a fork does not copy."""

_choices = 0
"""The number of calls that set the number of threads, so that an engine can detect a new one."""

_one_launch = [TOKEN]
_choosing = threading.Lock()
_engines: "weakref.WeakSet[UsesThreads]" = weakref.WeakSet()


def get_num_threads() -> int:
    """Return the number of threads that updates of large models use; see `set_num_threads`.

    >>> import learnerdsl as ld
    >>> ld.get_num_threads() >= 1
    True
    """
    if _lost_threads:
        return 1
    if _chosen:
        return _chosen
    if threading_layer() == "not started":
        return _settings.NUMBA_NUM_THREADS
    return numba.get_num_threads()


def set_num_threads(count: int) -> None:
    """Set the number of threads that updates of large models use, in all threads of Python.

    It applies to existing and new learners, and does not change results. By default, updates use
    NUMBA_NUM_THREADS or OMP_NUM_THREADS threads, or one for each processor.

    Args:
        count: from 1, which starts no threads, up to the number of threads that Numba starts:
            NUMBA_NUM_THREADS, or the number of processors if it is not set.

    Raises:
        HyperparameterError: the count is not an integer in this range.
    """
    most = 1 if _lost_threads else _settings.NUMBA_NUM_THREADS
    is_whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not is_whole or not 1 <= count <= most:
        why = "for more, set NUMBA_NUM_THREADS before Python starts"
        if _lost_threads:
            why = "a fork does not copy threads, so updates of this process run serially"
        msg = f"Updates cannot use {count!r} threads: choose from 1 to {most}; {why}."
        raise HyperparameterError(msg)
    global _chosen, _choices, _is_set
    with _choosing:
        _chosen, _is_set = int(count), True
        _choices += 1
        for engine in list(_engines):
            engine.choose_threads_later()


def follow(engine: UsesThreads) -> None:
    """Tell this engine whenever the number of threads changes."""
    with _choosing:
        _engines.add(engine)


def choices() -> int:
    """Return how many times the number of threads was set."""
    return _choices


def count_for(own: int) -> int:
    """Return the number of threads of an engine.

    Args:
        own: the number that its user asked for, of which at most as many are used as
            `set_num_threads` allows; 0 if it follows `get_num_threads`.
    """
    if _lost_threads or not own:
        return get_num_threads()
    return min(own, _chosen if _is_set else _settings.NUMBA_NUM_THREADS)


def wanted(own: int) -> int:
    """Return the number of threads that a launch sets; 0 to leave it to Numba."""
    return count_for(own) if own else _chosen


def are_lost() -> bool:
    """Return whether threads cannot be used because a fork did not copy them."""
    return _lost_threads


def launch_on_threads(driver: Any, frame: np.ndarray) -> float:
    """Run a launch on Numba's threads after any other launch has finished.

    A second launch would wait for the same threads anyway, and some threading layers crash if
    several Python threads launch at once.
    """
    while True:
        try:
            token = _one_launch.pop()
            break
        except IndexError:
            if is_nested(None, launch_on_threads):  # in a signal handler
                return driver(frame)
            wait_for_turn(None, _one_launch, launch_on_threads)
    try:
        return driver(frame)
    finally:
        _one_launch.append(token)


def threading_layer() -> str:
    """Return the library that runs Numba's threads: "omp", "tbb", "workqueue" or "not started".

    OpenMP starts a launch in about 3 microseconds, workqueue, the fallback, in about 110.
    """
    try:
        return numba.threading_layer()  # pyright: ignore[reportPrivateImportUsage]
    except ValueError:  # before the first parallel launch
        return "not started"


def _after_fork() -> None:
    """Reset a child process: its parent's threads are gone, and one may have held the locks."""
    global _lost_threads, _choosing, _choices
    _one_launch[:], _choosing, _choices = [TOKEN], threading.Lock(), _choices + 1
    _lost_threads = _lost_threads or threading_layer() != "not started"
    for engine in list(_engines):
        engine.choose_threads_later()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
