"""LLVM and assembly lie beside the machine code, so that a kernel from disk shows them at once."""

import re

import pytest
from support.kept_kernels import forget, hits, kept_code, kept_on_disk, new_learner

from learnerdsl.inspection import listings
from learnerdsl.kernels import cpu
from learnerdsl.kernels.machine_code import Listing


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty cache directory for this test."""
    path = tmp_path / "kernels"
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(path))
    return path


@pytest.fixture
def compiled(monkeypatch):
    """The names of kernels that are compiled to be listed, as they are."""
    names = []
    real = cpu.compile_c_function

    def compile_c_function(function, signature, options, cache):
        if cache is None:
            names.append(function.__name__)
        return real(function, signature, options, cache)

    monkeypatch.setattr(cpu, "compile_c_function", compile_c_function)
    return names


def texts(learner):
    """Assembly and LLVM, without the number that Numba gives each compilation in a process."""
    return [re.sub(r"B\d+v\d+B", "", text) for text in (learner.asm(), learner.llvm())]


def again(learner):
    """The next learner, as a new process would make it."""
    forget(learner)
    loaded = new_learner()
    assert hits(loaded) is True
    return loaded


def test_a_kernel_from_disk_shows_what_the_compiler_made_without_compiling(directory, compiled):
    learner = new_learner()
    shown = texts(learner)
    assert texts(again(learner)) == shown
    assert compiled == []
    assert "# kept_on_disk_pass_1\n" in shown[0]
    assert "; kept_on_disk_pass_1\n" in shown[1]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(bytes(content))


def exchange(path):
    """The listing of the other function."""
    other = next(p for p in path.parent.glob("*.listing") if p != path)
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("damage", [truncate, flip, exchange, lambda path: path.unlink()])
def test_a_listing_that_is_not_whole_is_made_again_and_kept(damage, directory, compiled):
    learner = new_learner()
    shown = texts(learner)
    damage(max(directory.glob("*.listing")))
    loaded = again(learner)
    assert texts(loaded) == shown
    assert len(compiled) == 1
    assert texts(again(loaded)) == shown
    assert len(compiled) == 1


def test_every_kernel_has_one_and_nothing_else_has(directory):
    new_learner()
    kept = {path.name for path in directory.glob("*.listing")}
    assert kept == {path.with_suffix(".listing").name for path in kept_code(directory)}


def test_where_nothing_can_be_kept_the_listing_is_shown_all_the_same(
    tmp_path, monkeypatch, compiled
):
    (tmp_path / "file").write_text("no directory can be here")
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.warns(RuntimeWarning, match="they are not kept"):
        learner = new_learner()
    assert "kept_on_disk_pass_1" in learner.asm()
    assert compiled == []


def refuse(**_):
    raise OSError


def test_both_texts_are_packed_into_a_fraction():
    for listing in listings(kept_on_disk.program()).values():
        packed = listing.pack()
        assert Listing.unpack(packed) == listing
        assert len(packed) < (len(listing.assembly) + len(listing.llvm)) / 3
