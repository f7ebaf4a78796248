"""Where kernels are kept: no directory, disk or name stops a learner."""

import errno
import inspect
import os
import shutil
import stat
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from support.kept_kernels import (
    EXPECTED,
    forget,
    functions,
    hits,
    kept_code,
    module_of,
    new_learner,
    result_of,
)

import learnerdsl as ld
from learnerdsl import files, transforms
from learnerdsl.kernels import places
from learnerdsl.learners import adam
from learnerdsl.runtime import cache

ANOTHER = 12345
"""A user who runs no tests."""

WARNING = "Cannot write kernels to"

with_users = pytest.mark.skipif(sys.platform == "win32", reason="has no modes and owners")


@pytest.fixture(autouse=True)
def _nothing_given_up(tmp_path, monkeypatch):
    """No directory has been given up yet, and temporary ones are made in tmp_path."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(places, "_replaced", {})


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A cache directory that is not there yet."""
    path = tmp_path / "kernels"
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(path))
    return path


def place_of(learner):
    """The directory of the learner's kernels."""
    return Path(learner.source_file).parent


def give_to_another(path, monkeypatch):
    """Make a directory one of another user: really, or in what the process thinks of itself."""
    if os.geteuid() == 0:
        os.chown(path, ANOTHER, ANOTHER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: ANOTHER)


def assert_temporary(learner, tmp_path):
    assert place_of(learner).parent == tmp_path / "temporary"
    assert result_of(learner) == EXPECTED


# Who can write there


@with_users
def test_the_directory_is_made_for_its_user_alone(directory):
    new_learner()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@with_users
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o711])
def test_a_directory_that_others_may_read_is_used(mode, directory):
    directory.mkdir()
    directory.chmod(mode)
    assert place_of(new_learner()) == directory


@with_users
def test_a_directory_that_the_own_group_of_the_user_may_write_is_used(directory, monkeypatch):
    monkeypatch.setattr(places, "_is_private", lambda group: True)
    directory.mkdir()
    directory.chmod(0o775)
    assert place_of(new_learner()) == directory


@with_users
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_a_directory_that_others_can_write_is_refused(mode, directory, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "_is_private", lambda group: False)
    directory.mkdir()
    directory.chmod(mode)
    with pytest.warns(RuntimeWarning, match=f"{WARNING} {directory} .other users can write to it"):
        learner = new_learner()
    assert_temporary(learner, tmp_path)
    assert list(directory.iterdir()) == []


@with_users
def test_a_directory_of_another_user_is_refused(directory, tmp_path, monkeypatch):
    directory.mkdir()
    give_to_another(directory, monkeypatch)
    with pytest.warns(RuntimeWarning, match="it belongs to another user"):
        learner = new_learner()
    assert place_of(learner).parent == tmp_path / "temporary"


@with_users
def test_a_directory_that_is_opened_to_others_later_is_given_up(directory, tmp_path):
    forget(new_learner())
    directory.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="other users can write to it"):
        learner = new_learner()
    assert_temporary(learner, tmp_path)


@with_users
def test_machine_code_that_others_can_write_is_not_loaded(directory):
    forget(new_learner())
    for path in kept_code(directory):
        path.chmod(0o666)
    learner = new_learner()
    assert hits(learner) is False
    assert result_of(learner) == EXPECTED


@with_users
def test_a_group_is_private_if_it_is_called_like_its_user_and_has_no_other_member(monkeypatch):
    group = os.getegid()
    user, found = types.SimpleNamespace(pw_name="ann"), types.SimpleNamespace()
    monkeypatch.setattr(places.pwd, "getpwuid", lambda number: user)
    monkeypatch.setattr(places.grp, "getgrgid", lambda number: found)
    for name, members, expected in [
        ("ann", [], True),
        ("ann", ["ann"], True),
        ("ann", ["ann", "bob"], False),
        ("users", [], False),
    ]:
        found.gr_name, found.gr_mem = name, members
        assert places._is_private(group) is expected
        assert places._is_private(group + 1) is False


# Directories that are no good


def test_a_user_without_a_home_directory_gets_a_temporary_one(tmp_path, monkeypatch):
    def fail(name):
        msg = "could not determine the home directory"
        raise RuntimeError(msg)

    monkeypatch.delenv("LEARNERDSL_CACHE_DIR")
    monkeypatch.setattr(platformdirs, "user_cache_dir", fail)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(RuntimeWarning, match="there is no home directory"):
        learner = new_learner()
    assert_temporary(learner, tmp_path)
    assert not (tmp_path / "~").exists()


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", "~/tilde")
    places._absolute.cache_clear()
    assert place_of(new_learner()) == tmp_path / "tilde"
    places._absolute.cache_clear()


def test_a_relative_directory_stays_where_it_was_first(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", f"relative to {tmp_path.name}")
    monkeypatch.chdir(tmp_path)
    first = place_of(new_learner())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert place_of(new_learner()) == first == tmp_path / f"relative to {tmp_path.name}"


def test_a_directory_that_vanishes_is_made_again(directory):
    forget(new_learner())
    shutil.rmtree(directory)
    learner = new_learner()
    assert place_of(learner) == directory
    assert result_of(learner) == EXPECTED


def test_a_directory_that_becomes_a_file_is_given_up(directory, tmp_path):
    forget(new_learner())
    shutil.rmtree(directory)
    directory.write_bytes(b"")
    with pytest.warns(RuntimeWarning, match=WARNING):
        learner = new_learner()
    assert_temporary(learner, tmp_path)


def test_kernels_in_a_directory_that_cannot_be_written_are_loaded(directory, monkeypatch):
    forget(new_learner())

    def fail(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(places, "write_atomically", fail)
    learner = new_learner()
    assert hits(learner) is True
    assert place_of(learner) == directory


# Disks that are full


class Full:
    """Operations of a file system that fail from the k-th on, so many times."""

    def __init__(self, monkeypatch, operation, number, first, times):
        self.error = OSError(number, os.strerror(number))
        self.left, self.times = first, times
        owner = {"open": files.os, "fdopen": files.os, "replace": Path}[operation]
        real = getattr(owner, operation)
        monkeypatch.setattr(owner, operation, lambda *a, **k: self.call(real, a, k))

    def call(self, real, arguments, named):
        self.left -= 1
        if self.left < 0 and self.times > 0:
            self.times -= 1
            raise self.error
        return real(*arguments, **named)


WRITES = 3
"""Files of the kernels: the text, and the machine code of two functions."""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("operation", ["open", "fdopen", "replace"])
@pytest.mark.parametrize("first", range(WRITES))
def test_a_write_that_fails_costs_one_warning(
    first, operation, number, directory, tmp_path, monkeypatch
):
    Full(monkeypatch, operation, number, first, 1)
    with pytest.warns(RuntimeWarning, match=WARNING) as caught:
        learner = new_learner()
    assert len(caught) == 1
    assert str(directory) in str(caught[0].message)
    assert result_of(learner) == EXPECTED
    monkeypatch.setattr(places, "_replaced", {})
    forget(learner)
    again = new_learner()
    assert place_of(again) == directory
    assert result_of(again) == EXPECTED


@pytest.mark.parametrize("first", range(WRITES))
def test_kernels_that_no_disk_takes_are_compiled(first, directory, monkeypatch):
    Full(monkeypatch, "fdopen", errno.ENOSPC, first, 100)
    with pytest.warns(RuntimeWarning, match=WARNING) as caught:
        learner = new_learner()
    assert len(caught) == 1
    assert result_of(learner) == EXPECTED
    for function in functions(module_of(learner)):
        assert inspect.getsource(function._pyfunc) in learner.source()


def test_without_any_directory_the_text_can_still_be_inspected(directory, monkeypatch):
    def fail(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    directory.write_bytes(b"")
    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    with pytest.warns(RuntimeWarning, match="they are not kept"):
        learner = new_learner()
    assert result_of(learner) == EXPECTED
    assert result_of(new_learner()) == EXPECTED
    for function in functions(module_of(learner)):
        assert inspect.getsource(function._pyfunc) in learner.source()


# Names


def renamed(name):
    def function(p, g):
        return ld.assign(p, p - g)

    function.__name__ = name
    return ld.rule(function)


@pytest.mark.parametrize(
    "name",
    [
        "r" * 230,
        "r" * 400,
        "r" + "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 120,
        "\N{GREEK SMALL LETTER MU}",
    ],
    ids=["230 letters", "400 letters", "360 bytes", "no ASCII"],
)
def test_a_rule_with_any_name_has_a_file(name, directory):
    weights = np.ones(3)
    learner = renamed(name)([weights])
    learner.update([np.full(3, 0.25)])
    assert weights.tolist() == [0.75] * 3
    assert all(len(path.name) < 140 and path.name.isascii() for path in directory.iterdir())
    forget(learner)
    assert hits(renamed(name)([weights])) is True


def test_long_names_that_begin_alike_have_files_of_their_own(directory):
    first, second = (renamed("r" * 200 + end)([np.ones(3)]) for end in "ab")
    assert first.source_file != second.source_file


def test_a_chain_with_a_name_of_400_letters_works(directory):
    members = [getattr(transforms, name) for name in ("clip_by_global_norm", "centralize", "ema")]
    chain = ld.chain(*members[:2], adam, members[2], name="c" * 400)
    weights = np.ones(3, np.float32)
    chain([weights]).update([np.ones(3, np.float32)])
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(
    "name", ["../traversed", "/traversed", "a/b", "..", "con:", "a\0b", "", "\ud800"]
)
def test_no_name_leads_out_of_the_directory(name, directory, tmp_path):
    module = cache.load(name, f"value = {name!r}\n")
    assert module.value == name
    assert Path(module.__file__).parent == directory
    assert not list(tmp_path.glob("traversed*"))
