"""Where compiled code is kept from process to process, and whether it is what was written.

The directory is `LEARNERDSL_CACHE_DIR`, else the platform's user cache. One that cannot be written,
or to which another user can write, is replaced by a temporary one; where there is none either,
nothing is kept and everything is compiled. So no disk stops a learner from working.
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
"""Letters of a file name that come from one name of a rule. Two of them, a hash and what a
temporary file adds are less than the 143 bytes that the narrowest file systems allow."""

_replaced: dict[Path, Path | None] = {}
"""Directories that were given up -> the temporary one, or None."""


def directory() -> Path | None:
    """Where kernels are kept, made if need be; None if there is no place for them."""
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
    """The directory that was asked for; not an absolute path where there is no home directory."""
    given = os.environ.get(VARIABLE)
    if given:
        return _absolute(given)
    try:
        return Path(platformdirs.user_cache_dir("learnerdsl"))
    except (RuntimeError, KeyError, OSError):  # neither HOME nor an entry in the user database
        return Path("~/.cache/learnerdsl")


@functools.lru_cache(maxsize=8)
def _absolute(given: str) -> Path:
    """The path, whatever the working directory is later."""
    path = Path(given)
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    with contextlib.suppress(OSError):  # the working directory was removed
        path = path if given.startswith("~") else path.absolute()
    return path


def _refuse_others(status: os.stat_result) -> None:
    """Raise unless this user and root alone can write: what is kept runs in this process.

    Raises:
        PermissionError: somebody else can.
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
    """Whether a group is the one that many systems make for each user alone, with a umask of 2."""
    if sys.platform == "win32" or group != os.getegid():
        return False
    try:
        user, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:  # a number without a name, as in containers
        return True
    return entry.gr_name == user and set(entry.gr_mem) <= {user}


def _give_up(path: Path, error: OSError) -> None:
    """Use another directory in this process, and say so once."""
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
    """A short name of plain letters for a file, of any text; other texts have other names."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if plain == name and len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain[: LONGEST - 9]}-{digest}"


def keep(name: str, content: bytes) -> Path | None:
    """Write a file of this name; None if there is no place for it."""
    while (place := directory()) is not None:
        try:
            write_atomically(place / name, content)
        except OSError as error:
            _give_up(place, error)
        else:
            return place / name
    return None


def keep_checked(name: str, key: str, content: bytes) -> None:
    """Write a file that `kept_checked` knows to be whole, and to be of this key."""
    keep(name, _head(key, content) + b"\n" + content)


def kept_checked(name: str, key: str) -> bytes | None:
    """What was written under this name and key; None if that is not what the file holds."""
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
    """The first line of a file, by which damage is found; a comment of PTX."""
    return f"// {hashlib.sha256(key.encode() + content).hexdigest()}".encode()
