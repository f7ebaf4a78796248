"""The two files of a trainer's checkpoint, which match at any time.

`filename` holds the model; `filename`.ckp holds the rest, with the checksum of the model. On
saving, `filename`.ckp.new is written first, then the model, and then `filename`.ckp.new is renamed
to `filename`.ckp. If the process ends in between, one of the two has the checksum of the model.
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
    """Write a model and the tree that belongs to it.

    Raises:
        CheckpointError: something in the tree cannot be stored; nothing is written then.
        FileError: an OSError; a file cannot be written.
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
    """Return the tree of a checkpoint, and a function that copies the values of its model.

    Raises:
        CheckpointError: a file is damaged or of another model, or the files do not match.
        MissingFileError: a FileNotFoundError; there is no such checkpoint.
    """
    new, old = _places(filename)
    checksum, copy_values = persistence.read_values(model, filename)
    if new.exists():
        # It remains from a save that was interrupted before or after it wrote the model.
        try:
            tree = read_tree(new)
        except CheckpointError:
            tree = {}
        if _names_model(tree, checksum):
            return tree, copy_values
    tree = read_tree(old)
    # Trees of the first version do not name their model.
    if MODEL in tree and not _names_model(tree, checksum):
        msg = (
            f"{old} belongs to another model than the one in {filename}; "
            "restore both files of one checkpoint."
        )
        raise CheckpointError(msg)
    return tree, copy_values


def _names_model(tree: Mapping[str, Any], checksum: str) -> bool:
    """Return whether a tree names the checksum of a model."""
    named = tree.get(MODEL)
    return isinstance(named, str) and named == checksum


def is_there(filename: Path) -> bool:
    """Return whether a checkpoint was saved as `filename`."""
    new, old = _places(filename)
    return old.exists() or (new.exists() and filename.exists())


def _places(filename: Path) -> tuple[Path, Path]:
    """Return the path where a tree is written first, and the path where it is kept."""
    name = filename.name
    return filename.with_name(f"{name}.ckp.new"), filename.with_name(f"{name}.ckp")
