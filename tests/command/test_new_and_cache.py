"""`new` writes a file whose tests pass; `cache` removes what is ours; `export` writes a file."""

from pathlib import Path

import pytest

import learnerdsl as ld
from learnerdsl.command import cache, export
from learnerdsl.kernels import places
from learnerdsl.kernels.machine_code import KeptCode
from learnerdsl.runtime import cache as kernels


def test_a_new_rule_passes_its_own_tests(run, start, tmp_path):
    path = tmp_path / "my_rule.py"
    assert run("new", "my_rule", "--output", str(path)) == f"wrote {path}; run pytest {path}\n"
    done = start(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(path)
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    text = path.read_text()
    assert "exists and is not overwritten" in run("new", "my_rule", "--output", str(path), code=1)
    assert path.read_text() == text


@pytest.mark.slow
def test_a_broken_new_rule_fails_its_tests(run, start, tmp_path):
    path = tmp_path / "my_rule.py"
    run("new", "my_rule", "--output", str(path))
    path.write_text(path.read_text().replace("(1 - beta) * g)", "(1 - beta) * 2 * g)", 1))
    done = start(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(path)
    )
    assert "1 failed" in done.stdout


@pytest.mark.parametrize("name", ["adam", "class", "two words", "3d", "_hidden"])
def test_new_refuses_names_that_cannot_be(run, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "name" in run("new", name, code=1)
    assert list(tmp_path.iterdir()) == []


def test_cache_counts_and_removes_what_is_ours_alone(run, run_json, tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path))
    module = kernels.load("sgd-float64", "x = 1\n")
    code = KeptCode(run, Path(module.__file__).stem, "key")
    for name in (code.name, code.listing):
        places.keep_checked(name, "key", b"code")
    run("show", "adam", "--plan")
    others = [tmp_path / name for name in ("notes.txt", "mine.py", "sgd-123.py", "shown-1.json")]
    for other in others:
        other.write_text("not ours")
    (tmp_path / "folder-0123456789abcdef.py").mkdir()
    ours = {p for p in tmp_path.iterdir() if p.is_file()} - set(others)
    found = run_json("cache")
    assert found["directory"] == str(tmp_path)
    assert sum(kind["files"] for kind in found["kinds"].values()) == len(ours)
    assert sum(kind["bytes"] for kind in found["kinds"].values()) == sum(
        p.stat().st_size for p in ours
    )
    assert {"generated source", "machine code", "shown by this command"} <= set(found["kinds"])
    assert "removed" not in run("cache")
    assert f"removed {len(ours)} files" in run("cache", "--clear")
    assert {p for p in tmp_path.iterdir() if p.is_file()} == set(others)
    assert run_json("cache")["kinds"] == {}


def test_every_kind_of_a_kept_file_is_known():
    names = {
        "generated source": "adam-float32-0123456789abcdef.py",
        "machine code": "adam-float32-0123456789abcdef.adam_pass_1.nbc",
        "listings": "adam-float32-0123456789abcdef.adam_pass_1.listing",
        "code for GPUs": "adam_pass_1-0123456789abcdef.sm_90.ptx",
        "shown by this command": "shown-0123456789abcdef.json",
        "left by killed processes": "adam-float32-01.0123456789abcdef.tmp",
    }
    for kind, name in names.items():
        matching = [k for k, pattern in cache.KINDS.items() if cache.re.fullmatch(pattern, name)]
        assert matching == [kind]


def exports(monkeypatch, made):
    def stand_in(self, format, dtype="float32", **options):
        made.append((self.name, format, dtype, options))
        return f"# {self.name} as {format}\n"

    monkeypatch.setattr(ld.UpdateRule, "export", stand_in, raising=False)


def test_export_prints_or_writes_what_the_rule_returns(run, rules, monkeypatch):
    made = []
    exports(monkeypatch, made)
    own = f"{rules / 'two.py'}:slow"
    assert run("export", own, "numpy") == "# slow as numpy\n"
    path = rules / "out.c"
    options = ("--dtype", "float64", "--shape", "4,8", "-o", "nesterov=true")
    assert run("export", own, "c", "--output", str(path), *options) == f"wrote {path}\n"
    assert path.read_text() == "# slow as c\n"
    assert made[1] == ("slow", "c", "float64", {"shape": (4, 8), "nesterov": True})
    assert "Usage" in run("export", own, "fortran", code=2)


def test_export_of_a_version_without_it_says_so():
    with pytest.raises(ld.LearnerError, match="cannot export old"):
        export.exported(type("Old", (), {"name": "old"})(), "numpy", {})
