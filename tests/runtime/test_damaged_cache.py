"""Kernels on disk that are damaged: they are rebuilt, and the new ones are kept."""

from pathlib import Path

import pytest
from support.kept_kernels import (
    EXPECTED,
    forget,
    hits,
    kept_code,
    kept_on_disk,
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


def flip_checksum(path):
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(bytes(content))


def append(path):
    path.write_bytes(path.read_bytes() + b"\n# more\n")


def remove(path):
    path.unlink()


def garble(path):
    path.write_bytes(b"\xff\xfe\x00")


def make_directory(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "truncated machine code": (".nbc", truncate),
    "empty machine code": (".nbc", empty),
    "a flipped bit in machine code": (".nbc", flip),
    "a flipped bit in a checksum": (".nbc", flip_checksum),
    "longer machine code": (".nbc", append),
    "garbled machine code": (".nbc", garble),
    "missing machine code": (".nbc", remove),
    "truncated text": (".py", truncate),
    "empty text": (".py", empty),
    "a flipped bit in the text": (".py", flip),
    "longer text": (".py", append),
    "garbled text": (".py", garble),
    "missing text": (".py", remove),
}


def damage(directory, suffix, change):
    """Damage the kernels of the directory, and forget them."""
    learner = new_learner()
    files = kept_code(directory) if suffix == ".nbc" else list(directory.glob("*.py"))
    assert files
    for path in files:
        change(path)
    forget(learner)


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_kernels_are_rebuilt(case, directory):
    damage(directory, *DAMAGE[case])
    rebuilt = new_learner()
    assert hits(rebuilt) is (DAMAGE[case][0] == ".py")
    assert Path(rebuilt.source_file).read_text() == kept_on_disk.source()
    assert result_of(rebuilt) == EXPECTED


@pytest.mark.parametrize("case", DAMAGE)
def test_rebuilt_kernels_are_kept(case, directory):
    damage(directory, *DAMAGE[case])
    forget(new_learner())
    assert hits(new_learner()) is True


def test_only_the_function_that_is_damaged_is_compiled_again(directory):
    learner = new_learner()
    flip(kept_code(directory)[-1])
    forget(learner)
    rebuilt = new_learner()
    assert hits(rebuilt) == "some"
    assert result_of(rebuilt) == EXPECTED


def test_machine_code_of_another_function_is_not_taken(directory):
    learner = new_learner()
    first, second = kept_code(directory)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    forget(learner)
    rebuilt = new_learner()
    assert hits(rebuilt) is False
    assert result_of(rebuilt) == EXPECTED


@pytest.mark.parametrize("suffix", [".nbc", ".py"])
def test_a_directory_in_the_place_of_a_file_costs_a_warning(suffix, directory):
    damage(directory, suffix, make_directory)
    with pytest.warns(RuntimeWarning, match="Cannot write kernels"):
        rebuilt = new_learner()
    assert result_of(rebuilt) == EXPECTED
