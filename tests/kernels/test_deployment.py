"""Places where a package is used: read-only, in an archive, without a home, damaged, killed."""

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from support.kept_kernels import EXPECTED, RULES, new_learner, result_of
from support.tiers import costly, slow

import learnerdsl as ld

PACKAGE = Path(ld.__file__).parent
ANOTHER = 12345
"""A user who has no name, no home and no files."""

USE = (
    RULES
    + """
import numpy as np
weights = np.linspace(1, 2, 7, dtype=np.float32)
learner = kept_on_disk([weights])
for step in range(3):
    learner.update([np.linspace(-1, step, 7, dtype=np.float32)])
print(weights.tobytes().hex(), learner.source_file)
"""
)


def start(code=USE, begin=(), package=PACKAGE, **environment):
    """A process that runs the code; a variable that is None is not set."""
    names = ("LEARNERDSL_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    variables = {**os.environ, **dict.fromkeys(names), **environment}
    variables["PYTHONPATH"] = str(package.parent)
    return subprocess.Popen(
        [*begin, sys.executable, "-c", code],
        cwd="/",
        env={name: str(value) for name, value in variables.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """The values that a process found, the directory of its kernels, and what it complained of."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    values, file = output.split(maxsplit=1)
    assert values == EXPECTED.hex()
    return Path(file.strip()).parent, errors


# Users and packages

as_another = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="only root can run a process as another user",
)
AS_ANOTHER = ("setpriv", f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups")


@pytest.fixture
def writable():
    """A directory for everybody; those of pytest are for one user."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o1777)
        yield Path(path)


@as_another
@pytest.mark.slow
@pytest.mark.parametrize("home", ["/nonexistent", None])
def test_a_user_who_can_write_the_cache_directory_alone_keeps_everything_there(home, writable):
    kernels = writable / "kernels"
    for _ in range(2):
        process = start(begin=AS_ANOTHER, HOME=home, LEARNERDSL_CACHE_DIR=kernels)
        assert finish(process) == (kernels, "")
    assert stat.S_IMODE(kernels.stat().st_mode) == 0o700
    assert any(path.name.startswith("launch-") for path in kernels.iterdir())


@as_another
@pytest.mark.parametrize("home", [slow("/nonexistent"), None])
def test_a_user_who_can_write_nowhere_gets_a_temporary_directory(home, writable):
    directory, errors = finish(start(begin=AS_ANOTHER, HOME=home, TMPDIR=writable))
    assert directory.parent == writable
    assert errors.count("Cannot write kernels to") == 1
    assert list(writable.iterdir()) == []


@as_another
@pytest.mark.slow
def test_root_does_not_run_what_another_user_has_written(writable):
    kernels = writable / "kernels"
    finish(start(begin=AS_ANOTHER, LEARNERDSL_CACHE_DIR=kernels))
    directory, errors = finish(start(LEARNERDSL_CACHE_DIR=kernels, TMPDIR=writable))
    assert directory.parent == writable
    assert "it belongs to another user" in errors


@pytest.mark.slow
def test_a_package_in_an_archive_works(tmp_path):
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*.py"):
            file.write(path, path.relative_to(PACKAGE.parent))
    kernels = tmp_path / "kernels"
    inside = archive / "learnerdsl"
    assert finish(start(package=inside, LEARNERDSL_CACHE_DIR=kernels)) == (kernels, "")
    count = len(list(kernels.iterdir()))
    assert finish(start(package=inside, LEARNERDSL_CACHE_DIR=kernels)) == (kernels, "")
    assert len(list(kernels.iterdir())) == count


@pytest.mark.slow
def test_the_directory_of_numba_is_not_used(tmp_path):
    kernels, numbas = tmp_path / "kernels", tmp_path / "numba"
    process = start(LEARNERDSL_CACHE_DIR=kernels, NUMBA_CACHE_DIR=numbas)
    assert finish(process) == (kernels, "")
    assert not numbas.exists()


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 90_000])
def test_a_full_disk_costs_a_warning(left, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        (disk / "filled").write_bytes(bytes(262_144 - 4096 - left // 4096 * 4096))
        _, errors = finish(start(LEARNERDSL_CACHE_DIR=disk / "kernels"))
        assert errors.count("Cannot write kernels to") == 1
        (disk / "filled").unlink()
        assert finish(start(LEARNERDSL_CACHE_DIR=disk / "kernels")) == (disk / "kernels", "")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Damage


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A directory with everything that a process keeps."""
    path = tmp_path_factory.mktemp("warm") / "kernels"
    finish(start(LEARNERDSL_CACHE_DIR=path))
    assert {file.suffix for file in path.rglob("*")} == {".py", ".nbc", ".listing"}
    return path


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *(costly(seed) for seed in range(2, 40))])
def test_a_flipped_bit_in_every_file_changes_no_result(seed, warm, tmp_path):
    """The next process repairs the files."""
    chosen = random.Random(seed)
    kernels = tmp_path / "kernels"
    shutil.copytree(warm, kernels)
    for path in sorted(kernels.iterdir()):
        content = bytearray(path.read_bytes())
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(bytes(content))
    assert finish(start(LEARNERDSL_CACHE_DIR=kernels)) == (kernels, "")
    for path in sorted(warm.glob("*.py")):
        assert (kernels / path.name).read_bytes() == path.read_bytes()


KILLED = """
import os
import signal
from pathlib import Path
import learnerdsl
count = 0
real = {operation}
def killing(*arguments, **named):
    global count
    count += 1
    if count > {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
{operation} = killing
"""

can_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="has no such signal")


@can_kill
@pytest.mark.parametrize("number", [1, *map(slow, [0, 2, 3])])
@pytest.mark.parametrize("operation", [slow("os.fdopen"), "Path.replace"])
def test_a_process_that_dies_while_it_writes_leaves_nothing_wrong(
    operation, number, tmp_path, monkeypatch
):
    kernels = tmp_path / "kernels"
    code = KILLED.format(operation=operation, number=number) + USE
    process = start(code, LEARNERDSL_CACHE_DIR=kernels)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(kernels))
    assert result_of(new_learner()) == EXPECTED


@can_kill
@pytest.mark.parametrize("count", [slow(6), costly(30)])
def test_processes_killed_at_any_moment_leave_nothing_wrong(count, tmp_path):
    chosen = random.Random(0)
    for _ in range(count):
        kernels = tmp_path / f"kernels {chosen.randrange(4)}"
        process = start(LEARNERDSL_CACHE_DIR=kernels)
        time.sleep(chosen.uniform(0.5, 4))
        process.kill()
        process.communicate()
        if chosen.random() < 0.5:
            assert finish(start(LEARNERDSL_CACHE_DIR=kernels)) == (kernels, "")
