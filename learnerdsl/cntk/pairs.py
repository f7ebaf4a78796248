"""The two files of a trainer's checkpoint, which belong together at any moment.

The model is in `filename`; `filename`.ckp has the rest, and names the checksum of its model. A new
`filename`.ckp.new is written first, then the model, and then the former takes the place of the old
`filename`.ckp. So if the process ends in between, one of the two names the model that is there.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from learnerdsl.cntk import files
from learnerdsl.cntk.checkpoint_file import read_tree, write_tree
from learnerdsl.cntk.graph import persistence
from learnerdsl.cntk.graph.functions import Function
from learnerdsl.errors import CheckpointError

MODEL = "model"


def save_pair(filename: Path, model: Function, tree: Mapping[str, Any]) -> None:
    """Write a model, and a tree that belongs to it.

    Raises:
        CheckpointError: something in the tree cannot be written; nothing has been then.
        FileError: an OSError; the place cannot be written.
    """
    new, old = _places(filename)
    header, arrays = persistence.contents(model)
    write_tree(new, {**tree, MODEL: header[files.CHECKSUM]})
    try:
        files.write(filename, header, arrays)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    files.rename(new, old)


def read_pair(filename: Path, model: Function) -> tuple[dict[str, Any], Callable[[], None]]:
    """The tree that belongs to the model in a file, and what copies the values of that model.

    Raises:
        CheckpointError: a file is damaged, or of another model, or they do not belong together.
        MissingFileError: a FileNotFoundError; there are none.
    """
    new, old = _places(filename)
    checksum, copy_values = persistence.read_values(model, filename)
    if new.exists():
        # Of a save that did not end, or did not get further than this file.
        try:
            tree = read_tree(new)
        except CheckpointError:
            tree = {}
        if _names_model(tree, checksum, is_old=False):
            return tree, copy_values
    tree = read_tree(old)
    if not _names_model(tree, checksum, is_old=True):
        msg = (
            f"{old} belongs to another model than the one in {filename}; "
            "restore both files of one checkpoint."
        )
        raise CheckpointError(msg)
    return tree, copy_values


def _names_model(tree: Mapping[str, Any], checksum: str, is_old: bool) -> bool:
    """Whether a tree belongs to a model; those of the first version do not say to which."""
    named = tree.get(MODEL, checksum if is_old else None)
    return isinstance(named, str) and named == checksum


def is_there(filename: Path) -> bool:
    """Whether a checkpoint was saved under a name."""
    new, old = _places(filename)
    return old.exists() or (new.exists() and filename.exists())


def _places(filename: Path) -> tuple[Path, Path]:
    """Where a tree is written, and where it is kept."""
    name = filename.name
    return filename.with_name(f"{name}.ckp.new"), filename.with_name(f"{name}.ckp")
