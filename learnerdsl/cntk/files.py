"""Safetensors files with text and a checksum in their header; written whole or not at all."""

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
    """A number, as text, that differs where anything in a file differs."""
    found = hashlib.sha256()
    for name, text in sorted(header.items()):
        if name != CHECKSUM:
            found.update(repr((name, text)).encode())
    for name, array in sorted(arrays.items()):
        found.update(repr((name, array.shape, array.dtype.name)).encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def sealed(header: Header, arrays: Arrays) -> dict[str, str]:
    """A header with the checksum of what a file is to hold."""
    return {**header, CHECKSUM: checksum(header, arrays)}


def write(path: str | Path, header: Header, arrays: Arrays) -> None:
    """Write a file with a sealed header.

    Raises:
        CheckpointError: an array of a dtype that files do not have.
        FileError: an OSError; the place cannot be written. The old file is as it was.
    """
    target = checked_path("The file", path)
    try:
        content = save(dict(arrays), dict(header))
    except SafetensorError as error:
        msg = f"{target} cannot hold this ({error}); give arrays of another dtype."
        raise CheckpointError(msg) from None
    replace_file(target, content, "file")


def check_folder(target: Path) -> None:
    """Raise unless the folder of a file that is to be written is there."""
    if not target.parent.is_dir():
        msg = f"{target} cannot be written: there is no folder {target.parent}; make it first."
        raise FileError(msg)


def append(path: Path, text: str) -> None:
    """Write text to the end of a file, which is made if there is none.

    Raises:
        FileError: an OSError; the place cannot be written.
    """
    with _writing(path), path.open("a") as file:
        file.write(text)


def rename(old: Path, new: Path) -> None:
    """Give a file another name, in place of the file that has it.

    Raises:
        FileError: an OSError; the place cannot be written.
    """
    with _writing(new):
        old.replace(new)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{target} cannot be written ({error.strerror or error}); give another place."
        raise FileError(msg) from None


def read(
    path: str | Path,
    kind: str,
    owner: str,
    decode: Callable[[dict[str, str], dict[str, np.ndarray]], Decoded],
) -> Decoded:
    """What `decode` makes of the header and the arrays of a file.

    Args:
        path: the file.
        kind: "checkpoint" or "file", for the messages.
        owner: whose it should be, for the messages.
        decode: what it raises means that the file is damaged, or none of ours.

    Raises:
        CheckpointError: the file is damaged, or none of ours.
        MissingFileError: a FileNotFoundError; there is none.
    """

    def checked(header: dict[str, str], arrays: dict[str, np.ndarray]) -> Decoded:
        # Files of the first version have no checksum.
        if header.get(CHECKSUM, wanted := checksum(header, arrays)) != wanted:
            msg = "what it holds is not what was written"
            raise ValueError(msg)
        return decode(header, arrays)

    return read_safetensors(checked_path("The file", path), kind, owner, checked)
