"""Kernels on disk: real files, loaded instead of compiled, written whole, safe in a race."""

import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from support.kept_kernels import (
    EXPECTED,
    RULES,
    forget,
    functions,
    hits,
    kept_code,
    kept_on_disk,
    module_of,
    namespace,
    new_learner,
    result_of,
)

import learnerdsl as ld
from learnerdsl.files import write_atomically
from learnerdsl.kernels import machine_code
from learnerdsl.runtime import cache

PROCESS = (
    RULES
    + """
import json
import sys
import numpy as np
from numba.core.ccallback import CFunc
from learnerdsl.runtime import cache

print("ready", flush=True)
sys.stdin.readline()
result = {"values": [], "compiled": 0, "loaded": 0}
for rule in (kept_on_disk, kept_too):
    weights = np.linspace(1, 2, 7, dtype=np.float32)
    learner = rule([weights])
    for step in range(3):
        learner.update([np.linspace(-1, step, 7, dtype=np.float32)])
    result["values"].append(weights.tobytes().hex())
for module in cache._loaded.values():
    for function in vars(module).values():
        if isinstance(function, CFunc):
            result["loaded" if function.cache_hits else "compiled"] += 1
print(json.dumps(result), flush=True)
"""
)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty cache directory for this test."""
    path = tmp_path / "kernels"
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(path))
    return path


def stamps(directory):
    """Every file of a kernel, with the time it was written and its inode."""
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in directory.rglob("*.*")
        if path.is_file() and not path.name.startswith("launch-")
    }


def start():
    """A process that needs the kernels, waiting for a line."""
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        cwd=Path(ld.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What the process printed, after it was told to go on."""
    output, errors = process.communicate("go\n")
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


# Real files


def test_the_file_holds_exactly_the_source(directory):
    learner = new_learner()
    path = Path(learner.source_file)
    assert path.parent == directory
    assert path.read_text() == learner.source() == kept_on_disk.source()


def test_the_file_is_named_by_the_rule_and_its_number_type(directory):
    assert Path(new_learner().source_file).name.startswith("kept_on_disk-float32-")


def test_the_source_of_a_kernel_can_be_inspected(directory):
    learner = new_learner()
    for function in functions(module_of(learner)):
        assert inspect.getsourcefile(function._pyfunc) == learner.source_file
        assert inspect.getsource(function._pyfunc) in learner.source()


def test_a_missing_directory_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path / "a" / "b"))
    assert Path(new_learner().source_file).parent == tmp_path / "a" / "b"


def test_a_second_learner_uses_the_module_of_the_first(directory):
    first, second = new_learner(), new_learner()
    assert module_of(first) is module_of(second)


def test_every_number_type_has_a_file_of_its_own(directory):
    narrow, wide = new_learner(), kept_on_disk([np.ones(3)])
    assert narrow.source_file != wide.source_file
    assert Path(wide.source_file).read_text() == wide.source()


def test_another_text_has_another_file(directory):
    first = cache.load("kernel", "value = 1\n")
    second = cache.load("kernel", "value = 2\n")
    assert (first.value, second.value) == (1, 2)
    assert len(list(directory.glob("kernel-*.py"))) == 2


def test_another_toolchain_has_another_file(directory, monkeypatch):
    cache.load("kernel", "value = 1\n")
    monkeypatch.setattr(machine_code, "toolchain", lambda: b"another Numba")
    cache.load("kernel", "value = 1\n")
    assert len(list(directory.glob("kernel-*.py"))) == 2


def test_others_may_read_kernels_as_they_may_read_any_new_file(directory):
    path = Path(new_learner().source_file)
    plain = directory / "plain"
    plain.write_bytes(b"")
    assert oct(path.stat().st_mode) == oct(plain.stat().st_mode)


# Loading instead of compiling


def test_machine_code_of_every_function_is_kept(directory):
    count = len(functions(module_of(new_learner())))
    assert count == 2
    assert len(kept_code(directory)) == count


def test_a_first_learner_compiles(directory):
    assert hits(new_learner()) is False


def test_kernels_on_disk_are_loaded_and_left_alone(directory):
    first = new_learner()
    before = stamps(directory)
    forget(first)
    second = new_learner()
    assert hits(second) is True
    assert stamps(directory) == before


def test_loaded_kernels_compute_the_same(directory):
    forget(new_learner())
    assert result_of(new_learner()) == EXPECTED


def test_a_second_process_loads_machine_code(directory):
    learners = [new_learner(), namespace["kept_too"]([np.ones(3, np.float32)])]
    count = sum(len(functions(module_of(learner))) for learner in learners)
    before = stamps(directory)
    result = finish(start())
    assert result["values"][0] == EXPECTED.hex()
    assert (result["compiled"], result["loaded"]) == (0, count)
    assert stamps(directory) == before


# Races


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    """What three processes found that needed the same kernels at once, and their directory."""
    directory = tmp_path_factory.mktemp("raced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEARNERDSL_CACHE_DIR", str(directory))
        processes = [start() for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return directory, [finish(process) for process in processes]


@pytest.mark.slow
def test_processes_that_race_on_an_empty_directory_all_succeed(raced):
    _, results = raced
    assert {result["values"][0] for result in results} == {EXPECTED.hex()}
    assert len({result["values"][1] for result in results}) == 1


@pytest.mark.slow
def test_a_race_leaves_whole_files_only(raced):
    directory, _ = raced
    assert {path.suffix for path in directory.iterdir()} == {".py", ".nbc", ".listing"}


@pytest.mark.slow
def test_kernels_of_a_race_can_be_used(raced, monkeypatch):
    directory, _ = raced
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(directory))
    assert result_of(new_learner()) == EXPECTED


def test_threads_that_race_on_an_empty_directory_all_succeed(directory):
    results = []
    threads = [threading.Thread(target=lambda: results.append(new_learner())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result_of(learner) for learner in results] == [EXPECTED] * 3


# Directories that cannot be written


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """A directory that cannot be made, below a file; temporary ones are made in tmp_path."""
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "kernels"
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return path


def test_an_unwritable_directory_is_replaced_by_a_temporary_one_with_a_warning(unwritable):
    with pytest.warns(RuntimeWarning) as caught:
        learner = new_learner()
    assert len(caught) == 1
    message = str(caught[0].message)
    assert f"Cannot write kernels to {unwritable}" in message
    assert str(Path(learner.source_file).parent) in message
    assert "Set LEARNERDSL_CACHE_DIR to a directory that can be written" in message


def test_kernels_in_a_temporary_directory_work(unwritable):
    with pytest.warns(RuntimeWarning, match="Cannot write kernels"):
        learner = new_learner()
    assert result_of(learner) == EXPECTED
    assert Path(learner.source_file).read_text() == learner.source()


def test_the_warning_comes_once(unwritable):
    with pytest.warns(RuntimeWarning, match="Cannot write kernels"):
        first = new_learner()
    second = kept_on_disk([np.ones(3)])
    assert Path(first.source_file).parent == Path(second.source_file).parent


# Writing


def test_a_file_is_written_whole(tmp_path):
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old"], ids=["no file", "an old file"])
def test_a_write_that_fails_leaves_what_was_there(old, error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    before = os.listdir(tmp_path)

    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(error):
        write_atomically(path, b"new")
    assert os.listdir(tmp_path) == before
    assert old is None or path.read_bytes() == old


def test_content_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "text")
    assert os.listdir(tmp_path) == []


def test_a_kernel_that_does_not_compile_leaves_no_module(directory):
    with pytest.raises(SyntaxError):
        cache.load("kernel", "def :\n")
    assert [path for path in cache._loaded if path.parent == directory] == []
