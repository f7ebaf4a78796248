"""Safetensors files with text and a checksum in their header, written atomically."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from learnerdsl.cntk.checks import path as checked_path
from learnerdsl.cntk.errors import FileError
from learnerdsl.errors import CheckpointError
from learnerdsl.files import replace_file
from learnerdsl.learner.checkpoint import read_safetensors

Header = Mapping[str, str]
Arrays = Mapping[str, np.ndarray]
Decoded = TypeVar("Decoded")

CHECKSUM = "checksum"


def checksum(header: Header, arrays: Arrays) -> str:
    """Return the SHA-256 checksum of the contents of a file, as hexadecimal text."""
    found = hashlib.sha256()
    for name, text in sorted(header.items()):
        if name != CHECKSUM:
            found.update(repr((name, text)).encode())
    for name, array in sorted(arrays.items()):
        found.update(repr((name, array.shape, array.dtype.name)).encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def sealed(header: Header, arrays: Arrays) -> dict[str, str]:
    """Return the header of a file with the checksum of its contents."""
    return {**header, CHECKSUM: checksum(header, arrays)}


def write(path: str | Path, header: Header, arrays: Arrays) -> None:
    """Write a file with a sealed header.

    Raises:
        CheckpointError: the dtype of an array cannot be stored.
        FileError: an OSError; the file cannot be written. The old file is not changed.
    """
    target = checked_path("The file", path)
    try:
        content = save(dict(arrays), dict(header))
    except SafetensorError as error:
        msg = f"{target} cannot be written ({error}); give arrays of another dtype."
        raise CheckpointError(msg) from None
    replace_file(target, content, "file")


def check_folder(target: Path) -> None:
    """Raise unless the folder of a file to be written exists."""
    if not target.parent.is_dir():
        msg = (
            f"{target} cannot be written: the folder {target.parent} does not exist; make it first."
        )
        raise FileError(msg)


def append(path: Path, text: str) -> None:
    """Append text to a file, which is made if it does not exist.

    Raises:
        FileError: an OSError; the file cannot be written.
    """
    with _writing(path), path.open("a") as file:
        file.write(text)


def rename(old: Path, new: Path) -> None:
    """Rename a file, replacing the file with the new name.

    Raises:
        FileError: an OSError; the file cannot be written.
    """
    with _writing(new):
        old.replace(new)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{target} cannot be written ({error.strerror or error}); give another path."
        raise FileError(msg) from None


def read(
    path: str | Path,
    kind: str,
    owner: str,
    decode: Callable[[dict[str, str], dict[str, np.ndarray]], Decoded],
) -> Decoded:
    """Read a file, and decode its header and arrays.

    Args:
        path: the file.
        kind: "checkpoint" or "file", for the messages.
        owner: what the file should belong to, for the messages.
        decode: takes header and arrays; any error that it raises means a damaged file.

    Raises:
        CheckpointError: the file is damaged, or was not written by `write`.
        MissingFileError: a FileNotFoundError; there is no such file.
    """

    def checked(header: dict[str, str], arrays: dict[str, np.ndarray]) -> Decoded:
        # Files of the first version have no checksum.
        if header.get(CHECKSUM, wanted := checksum(header, arrays)) != wanted:
            msg = "its contents are not what was written"
            raise ValueError(msg)
        return decode(header, arrays)

    return read_safetensors(checked_path("The file", path), kind, owner, checked)
