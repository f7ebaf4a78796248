"""Write files atomically, and check the paths that users give for them."""

import contextlib
import os
import re
import secrets
import stat
import time
from pathlib import Path
from typing import Any

from learnerdsl.errors import CheckpointError, FileError, MissingFileError, quoted

PLAIN_MODE = 0o666
"""Mode of a new file before the umask is applied."""

STALE_SECONDS = 24 * 3600
"""A temporary file this old was left by a killed process; a younger one may be in use."""

_TOKEN_BYTES = 8
_NAME_KEPT = 40
"""Characters of a file's name kept in its temporary name: at most 160 of the 255 bytes allowed."""


def write_atomically(path: Path, content: bytes, old: os.stat_result | None = None) -> None:
    """Write a file under a temporary name in the same directory, then rename it.

    Args:
        path: the file; a symbolic link is replaced, not followed.
        content: the whole content.
        old: status of the file to replace, whose owner and mode the new one gets; None if there is
            none.
    """
    temporary = path.with_name(f"{path.name[:_NAME_KEPT]}.{secrets.token_hex(_TOKEN_BYTES)}.tmp")
    mode = PLAIN_MODE if old is None else stat.S_IMODE(old.st_mode)
    # mkstemp would give mode 0600; here the umask decides who may read a new file.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if old is not None:
            with contextlib.suppress(OSError, AttributeError):  # not ours; Windows has no chown
                os.chown(temporary, old.st_uid, old.st_gid)
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def checked_path(path: Any, what: str) -> Path:
    """Return the path that a user gave.

    Args:
        path: what the user gave.
        what: "checkpoint" or another kind of file, for the message.

    Raises:
        CheckpointError: it is not a path.
    """
    if isinstance(path, (str, bytes, os.PathLike)):
        text = os.fsdecode(path)
        with contextlib.suppress(UnicodeEncodeError):
            if text and b"\0" not in os.fsencode(text):
                return Path(text)
    msg = f"A {what} is a file: give its path as text or a pathlib.Path, not {quoted(path)}."
    raise CheckpointError(msg)


def replace_file(path: Any, content: bytes, what: str) -> None:
    """Write a file atomically at a path that a user gave.

    Symbolic links are followed, and owner and mode of a replaced file are kept.

    Args:
        path: what the user gave.
        content: the whole content.
        what: kind of file, for the messages.

    Raises:
        CheckpointError: the path is not that of a file, or it cannot be written.
    """
    given = checked_path(path, what)
    target = Path(os.path.realpath(given))
    try:
        old = _status_of(given, what)
        if old is not None and not os.access(target, os.W_OK):
            msg = f"The {what} {given} is read-only; choose another name, or make it writable."
            raise FileError(msg)
        write_atomically(target, content, old)
        _remove_stale(target)
    except FileError:
        raise
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not target.parent.exists():
            msg = f"Cannot write the {what} {given}: there is no directory {target.parent}."
            raise MissingFileError(msg) from error
        raise _with_sentence(error, f"Cannot write the {what} {given}") from error


def check_readable(path: Path, what: str) -> None:
    """Raise unless the path is that of a file.

    Raises:
        MissingFileError: the path does not exist.
        FileError: it is not a file, or its status cannot be read.
    """
    try:
        found = _status_of(path, what)
    except FileError:
        raise
    except OSError as error:
        raise _with_sentence(error, f"Cannot read the {what} {path}") from error
    if found is None:
        msg = f"There is no {what} {path}."
        raise MissingFileError(msg)


def _status_of(path: Path, what: str) -> os.stat_result | None:
    """Return the status of a file, following links, or None if it does not exist."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "a device, pipe or socket"
        msg = f"{path} is {kind}; a {what} is a file, so give the path of one."
        raise FileError(msg)
    return found


def _with_sentence(error: OSError, beginning: str) -> FileError:
    """Return an error of ours with the number and the reason of the system's."""
    ours = FileError(f"{beginning}: {error.strerror or error}.")
    ours.errno = error.errno
    return ours


def _remove_stale(path: Path) -> None:
    """Remove the temporary files of this file that killed processes have left."""
    begin = re.escape(path.name[:_NAME_KEPT])
    pattern = re.compile(rf"{begin}\.[0-9a-f]{{{2 * _TOKEN_BYTES}}}\.tmp")
    oldest = time.time() - STALE_SECONDS
    with contextlib.suppress(OSError):  # another process may be doing the same
        for entry in os.scandir(path.parent):
            if pattern.fullmatch(entry.name) and entry.stat().st_mtime < oldest:
                Path(entry).unlink(missing_ok=True)
