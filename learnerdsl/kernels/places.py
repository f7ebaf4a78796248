"""The cache directory for compiled code, and its files with checksums.

The directory is `LEARNERDSL_CACHE_DIR`, or by default the platform's user cache. If it cannot be
written, or if another user can write to it, a temporary directory is used instead. If there is none
either, nothing is stored and every process compiles again. So a learner works without any disk.
"""

import atexit
import contextlib
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import warnings
from pathlib import Path

import platformdirs

from learnerdsl.files import write_atomically

if sys.platform != "win32":
    import grp
    import pwd

VARIABLE = "LEARNERDSL_CACHE_DIR"

LONGEST = 48
"""Largest number of letters of a rule's name in a file name. Two names, a hash and the suffix of a
temporary file fit into 143 bytes, the smallest limit of common file systems."""

_replaced: dict[Path, Path | None] = {}
"""Directory that could not be used -> the temporary directory that replaces it, or None."""


def directory() -> Path | None:
    """Return the cache directory and create it if needed; None if there is no directory."""
    path = _wanted()
    while path is not None:
        if path not in _replaced:
            try:
                if not path.is_absolute():
                    msg = "there is no home directory"
                    raise FileNotFoundError(msg)
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                _refuse_others(path.stat())
            except OSError as error:
                _give_up(path, error)
            else:
                return path
        path = _replaced[path]
    return None


def _wanted() -> Path:
    """Return the requested directory; it is relative only if there is no home directory."""
    given = os.environ.get(VARIABLE)
    if given:
        return _absolute(given)
    try:
        return Path(platformdirs.user_cache_dir("learnerdsl"))
    except (RuntimeError, KeyError, OSError):  # no HOME and no entry in the user database
        return Path("~/.cache/learnerdsl")


@functools.lru_cache(maxsize=8)
def _absolute(given: str) -> Path:
    """Return an absolute path, so that later changes of the working directory do not matter."""
    path = Path(given)
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    with contextlib.suppress(OSError):  # the working directory was removed
        path = path if given.startswith("~") else path.absolute()
    return path


def _refuse_others(status: os.stat_result) -> None:
    """Raise if anyone but this user and root can write, since this process runs what is stored.

    Raises:
        PermissionError: another user can write.
    """
    if sys.platform == "win32":
        return
    if status.st_uid not in (os.geteuid(), 0):
        msg = f"it belongs to another user, number {status.st_uid}"
        raise PermissionError(msg)
    group_writes = status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid)
    if group_writes or status.st_mode & stat.S_IWOTH:
        msg = "other users can write to it; chmod go-w forbids that"
        raise PermissionError(msg)


def _is_private(group: int) -> bool:
    """Return whether a group is the private group of this user, as systems with umask 2 have."""
    if sys.platform == "win32" or group != os.getegid():
        return False
    try:
        user, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:  # a number without a name, as in containers
        return True
    return entry.gr_name == user and set(entry.gr_mem) <= {user}


def _give_up(path: Path, error: OSError) -> None:
    """Use a temporary directory in this process, and warn once."""
    if path in _replaced.values():
        _replaced[path] = None
        return
    replacement = None
    with contextlib.suppress(OSError):
        replacement = Path(tempfile.mkdtemp(prefix="learnerdsl-"))
        atexit.register(_remove, replacement, os.getpid())
    _replaced[path] = replacement
    instead = f"using {replacement} in this process" if replacement else "they are not kept"
    warnings.warn(
        f"Cannot write kernels to {path} ({error}); {instead}. "
        f"Set {VARIABLE} to a directory that can be written.",
        RuntimeWarning,
        stacklevel=2,
    )


def _remove(path: Path, process: int) -> None:
    """Remove a temporary directory, but not in a process that was forked."""
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


def file_name(name: str) -> str:
    """Return a short file name of plain letters for a text; different texts get different names."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if plain == name and len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain[: LONGEST - 9]}-{digest}"


def keep(name: str, content: bytes) -> Path | None:
    """Write a file atomically; return its path, or None if there is no directory."""
    while (place := directory()) is not None:
        try:
            write_atomically(place / name, content)
        except OSError as error:
            _give_up(place, error)
        else:
            return place / name
    return None


def keep_checked(name: str, key: str, content: bytes) -> None:
    """Write a file with a key and a checksum, which `kept_checked` verifies."""
    keep(name, _head(key, content) + b"\n" + content)


def kept_checked(name: str, key: str) -> bytes | None:
    """Return the stored content; None if it is missing, damaged or of another key."""
    place = directory()
    if place is None:
        return None
    try:
        with (place / name).open("rb") as file:
            _refuse_others(os.fstat(file.fileno()))
            head, _, content = file.read().partition(b"\n")
    except OSError:
        return None
    return content if head == _head(key, content) else None


def _head(key: str, content: bytes) -> bytes:
    """Return the first line of a file, with the checksum; it is a comment in PTX."""
    return f"// {hashlib.sha256(key.encode() + content).hexdigest()}".encode()
