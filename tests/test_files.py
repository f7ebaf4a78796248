"""Paths of checkpoints: links, modes, what is no file, long names, and what killed saves leave."""

import errno
import os
import socket
import stat
import time

import numpy as np
import pytest
from support.checkpoints import trained
from support.small_rules import contents, train

import learnerdsl as ld
from learnerdsl.files import STALE_SECONDS


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def assert_holds(path, learner):
    """Assert that a learner loads from a file what another one has saved."""
    other = trained()
    other.load(path)
    np.testing.assert_equal(other.state_dict(), learner.state_dict())


# Links and modes


def further_trained():
    learner = trained()
    train(learner, range(2, 4))
    return learner


@pytest.mark.parametrize("to", ["real", "folder/real"], ids=["beside", "in another folder"])
@pytest.mark.parametrize("exists", [True, False], ids=["with", "without"])
def test_saving_follows_a_link(to, exists, tmp_path):
    (tmp_path / "folder").mkdir()
    if exists:
        trained().save(tmp_path / to)
    (tmp_path / "link").symlink_to(to)  # relative to where the link is
    (tmp_path / "second").symlink_to(tmp_path / "link")
    learner = further_trained()
    learner.save(tmp_path / "second")
    assert (tmp_path / "second").is_symlink()
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / to).is_symlink()
    assert_holds(tmp_path / to, learner)
    assert_holds(tmp_path / "link", learner)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755], ids=oct)
def test_a_file_that_is_replaced_keeps_its_mode(mode, tmp_path):
    path = tmp_path / "learner"
    trained().save(path)
    path.chmod(mode)
    learner = further_trained()
    learner.save(path)
    assert oct(mode_of(path)) == oct(mode)
    assert_holds(path, learner)


def test_the_temporary_file_of_a_private_one_is_never_readable_by_others(tmp_path, monkeypatch):
    path = tmp_path / "learner"
    trained().save(path)
    path.chmod(0o600)
    modes, real = [], os.fdopen
    monkeypatch.setattr(
        os, "fdopen", lambda handle, *a: modes.append(os.fstat(handle).st_mode) or real(handle, *a)
    )
    trained().save(path)
    assert [oct(stat.S_IMODE(mode)) for mode in modes] == ["0o600"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another owner")
def test_a_file_that_root_replaces_keeps_its_owner(tmp_path):
    path = tmp_path / "learner"
    trained().save(path)
    os.chown(path, 12345, 23456)
    trained().save(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "learner"
    path.write_bytes(b"kept")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to every file
    with pytest.raises(ld.CheckpointError, match="is read-only"):
        trained().save(path)
    assert path.read_bytes() == b"kept"


# What is no file


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def make_device(path):
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("needs the right to make a device")


def make_link_to_a_directory(path):
    (path.parent / "folder").mkdir()
    path.symlink_to("folder")


def make_link_to_a_pipe(path):
    os.mkfifo(path.parent / "pipe")
    path.symlink_to("pipe")


NO_FILES = {
    "directory": lambda path: path.mkdir(),
    "pipe": make_pipe,
    "socket": make_socket,
    "device": make_device,
    "link to a directory": make_link_to_a_directory,
    "link to a pipe": make_link_to_a_pipe,
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("action", ["save", "load"])
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_neither_replaced_nor_read(kind, action, tmp_path):
    path = tmp_path / "x"
    NO_FILES[kind](path)
    before = os.lstat(path)
    learner = trained()
    held = contents(learner)
    with pytest.raises(ld.CheckpointError) as caught:
        getattr(learner, action)(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert os.lstat(path).st_ino == before.st_ino
    assert stat.S_IFMT(os.lstat(path).st_mode) == stat.S_IFMT(before.st_mode)
    assert contents(learner) == held


NO_PATHS = {
    "None": None,
    "number": 3,
    "truth value": True,
    "list": ["a"],
    "nothing": "",
    "nothing in bytes": b"",
    "zero byte": "a\0b",
    "half a letter": "a\ud800",
    "array": np.zeros(3),
}


@pytest.mark.parametrize("action", ["save", "load"])
@pytest.mark.parametrize("kind", NO_PATHS)
def test_what_is_no_path_is_refused(kind, action, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ld.CheckpointError, match=r"give its path as text or a pathlib\.Path, not"):
        getattr(trained(), action)(NO_PATHS[kind])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["save", "load"])
def test_an_open_file_is_no_path(action, tmp_path):
    with (
        (tmp_path / "open").open("wb") as file,
        pytest.raises(ld.CheckpointError, match="give its"),
    ):
        getattr(trained(), action)(file)


def test_a_path_may_be_bytes(tmp_path):
    learner = trained()
    learner.save(os.fsencode(tmp_path / "learner"))
    assert_holds(os.fsencode(tmp_path / "learner"), learner)


@pytest.mark.parametrize(
    "name", ["a" * 250, "a" * 255, "é" * 127, "世" * 85], ids=["250", "255", "accents", "wide"]
)
def test_a_name_may_be_as_long_as_the_system_allows(name, tmp_path):
    learner = trained()
    learner.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert_holds(tmp_path / name, learner)


@pytest.mark.parametrize("action", ["save", "load"])
def test_a_name_that_is_too_long_is_refused(action, tmp_path):
    with pytest.raises(ld.CheckpointError, match="File name too long") as caught:
        getattr(trained(), action)(tmp_path / ("a" * 300))
    assert caught.value.errno == errno.ENAMETOOLONG


def test_saving_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ld.CheckpointError, match="Not a directory"):
        trained().save(tmp_path / "file" / "learner")


def test_a_missing_directory_is_an_error_of_both_kinds(tmp_path):
    with pytest.raises(ld.CheckpointError, match="there is no directory") as caught:
        trained().save(tmp_path / "nowhere" / "learner")
    assert isinstance(caught.value, FileNotFoundError)


def test_a_full_disk_is_an_error_of_both_kinds(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(ld.CheckpointError, match="No space left") as caught:
        trained().save(tmp_path / "learner")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


# What killed saves leave


def left_over(path, age):
    """A temporary file, so many seconds old, of a process that was killed while it saved."""
    name = f"{path.name[:40]}.{os.urandom(8).hex()}.tmp"
    file = path.with_name(name)
    file.write_bytes(b"half")
    then = time.time() - age
    os.utime(file, (then, then))
    return file


@pytest.mark.parametrize("name", ["learner", "a" * 250])
def test_saving_removes_what_a_killed_save_has_left_long_ago(name, tmp_path):
    path = tmp_path / name
    file = left_over(path, STALE_SECONDS + 60)
    trained().save(path)
    assert not file.exists()


def test_saving_leaves_what_may_be_in_use_or_is_not_its_own(tmp_path):
    path = tmp_path / "learner"
    kept = {left_over(path, 60), left_over(tmp_path / "other", STALE_SECONDS + 60)}
    for name in ("learner.tmp", "learner.0123456789abcdef", "learner.0123456789abcdeg.tmp"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
        kept.add(tmp_path / name)
    trained().save(path)
    assert set(tmp_path.iterdir()) == kept | {path}
