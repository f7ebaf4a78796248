"""The threads of updates: how many there are, who runs them, and what a fork leaves of them."""

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
    # OpenMP first: it has the fastest launches, and torch's threads get on with it.
    _settings.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


class UsesThreads(Protocol):
    """An engine that launches on threads."""

    def choose_threads_later(self) -> None:
        """Choose anew, before the next launch, what runs it."""
        ...


def _of_environment() -> int:
    """The number that OMP_NUM_THREADS gives, which Numba does not look at; 0 for none."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if "NUMBA_NUM_THREADS" in os.environ or not first.isdecimal():
        return 0
    return min(int(first), _settings.NUMBA_NUM_THREADS)


_chosen = _of_environment()
"""How many threads updates use; 0 for as many as Numba uses in the calling thread."""

_lost_threads = False
"""Whether this process was forked from one with threads of Numba, which a fork does not copy."""

_choices = 0
"""How many times the number of threads was set, by which an engine sees that it was meanwhile."""

_one_launch = [TOKEN]
_choosing = threading.Lock()
_engines: "weakref.WeakSet[UsesThreads]" = weakref.WeakSet()


def get_num_threads() -> int:
    """How many threads updates of large models use; see `set_num_threads`.

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
    """Let updates of large models use this many threads, in all threads of Python.

    It holds for learners that exist and for new ones, and changes no result. Without it, updates
    use as many threads as NUMBA_NUM_THREADS or OMP_NUM_THREADS says, or as there are processors.

    Args:
        count: from 1, which starts no threads, up to the number that Numba starts
            (NUMBA_NUM_THREADS, which is the number of processors where it is not set).

    Raises:
        HyperparameterError: it is no such number.
    """
    most = 1 if _lost_threads else _settings.NUMBA_NUM_THREADS
    is_whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not is_whole or not 1 <= count <= most:
        why = "for more, set NUMBA_NUM_THREADS before Python starts"
        if _lost_threads:
            why = "a fork does not copy threads, so updates of this process run serially"
        msg = f"Updates cannot use {count!r} threads: choose from 1 to {most}; {why}."
        raise HyperparameterError(msg)
    global _chosen, _choices
    with _choosing:
        _chosen = int(count)
        _choices += 1
        for engine in list(_engines):
            engine.choose_threads_later()


def follow(engine: UsesThreads) -> None:
    """Tell an engine when the number of threads is another."""
    with _choosing:
        _engines.add(engine)


def choices() -> int:
    """How many times the number of threads was set."""
    return _choices


def wanted() -> int:
    """The number of threads a launch sets; 0 to leave it to Numba."""
    return _chosen


def are_lost() -> bool:
    """Whether no threads can be used, since a fork did not copy them."""
    return _lost_threads


def launch_on_threads(driver: Any, frame: np.ndarray) -> float:
    """One parallel update at a time: a second one would wait for the same threads anyway.

    Not every threading layer survives launches from several Python threads at once.
    """
    while True:
        try:
            token = _one_launch.pop()
            break
        except IndexError:
            if is_nested(None, launch_on_threads):  # in the handler of a signal, after the driver
                return driver(frame)
            wait_for_turn(None, _one_launch, launch_on_threads)
    try:
        return driver(frame)
    finally:
        _one_launch.append(token)


def threading_layer() -> str:
    """Which library runs Numba's threads: "omp", "tbb" or "workqueue".

    OpenMP starts a launch in about 3 microseconds, workqueue, the fallback, in about 110.
    """
    try:
        return numba.threading_layer()  # pyright: ignore[reportPrivateImportUsage]
    except ValueError:  # before the first parallel launch
        return "not started"


def _after_fork() -> None:
    """In a child: its parent's threads are not there, and another one may have held the locks."""
    global _lost_threads, _choosing, _choices
    _one_launch[:], _choosing, _choices = [TOKEN], threading.Lock(), _choices + 1
    _lost_threads = _lost_threads or threading_layer() != "not started"
    for engine in list(_engines):
        engine.choose_threads_later()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
