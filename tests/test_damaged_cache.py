"""Kernels on disk that are damaged: they are rebuilt, and the new ones are kept."""

from pathlib import Path

import pytest
from fixtures_cache import (
    EXPECTED,
    forget,
    hits,
    kept_on_disk,
    machine_code,
    new_learner,
    result_of,
)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty cache directory for this test."""
    path = tmp_path / "kernels"
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(path))
    return path


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))


def append(path):
    path.write_bytes(path.read_bytes() + b"\n# more\n")


def remove(path):
    path.unlink()


def garble(path):
    path.write_bytes(b"\xff\xfe\x00")


def empty_list(path):
    path.write_text("[]")


DAMAGE = {
    "a truncated index": (".nbi", truncate),
    "an empty index": (".nbi", empty),
    "a flipped bit in an index": (".nbi", flip),
    "a missing index": (".nbi", remove),
    "truncated machine code": (".nbc", truncate),
    "empty machine code": (".nbc", empty),
    "a flipped bit in machine code": (".nbc", flip),
    "missing machine code": (".nbc", remove),
    "truncated text": (".py", truncate),
    "empty text": (".py", empty),
    "longer text": (".py", append),
    "garbled text": (".py", garble),
    "missing text": (".py", remove),
    "a truncated manifest": (".json", truncate),
    "an empty manifest": (".json", empty),
    "a garbled manifest": (".json", garble),
    "a manifest of nothing": (".json", empty_list),
    "a missing manifest": (".json", remove),
}


def files(directory, suffix):
    """The files of the kernels that end so; of machine code, those of every function."""
    return machine_code(directory, suffix) or sorted(directory.glob(f"*{suffix}"))


def damage(directory, case):
    """Damage the kernels of the directory, and forget them."""
    learner = new_learner()
    suffix, change = DAMAGE[case]
    assert files(directory, suffix)
    for path in files(directory, suffix):
        change(path)
    forget(learner)
    return learner


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_kernels_are_rebuilt(case, directory):
    damage(directory, case)
    rebuilt = new_learner()
    assert hits(rebuilt) is False
    assert Path(rebuilt.source_file).read_text() == kept_on_disk.source()
    assert result_of(rebuilt) == EXPECTED


@pytest.mark.parametrize("case", ["a truncated index", "truncated machine code", "longer text"])
def test_rebuilt_kernels_are_kept(case, directory):
    damage(directory, case)
    forget(new_learner())
    assert hits(new_learner()) is True


def test_one_damaged_function_is_enough_to_rebuild(directory):
    learner = new_learner()
    flip(machine_code(directory, ".nbc")[-1])
    forget(learner)
    assert result_of(new_learner()) == EXPECTED
