"""What `show` and `compare` print, for builtins, transforms, chains, files and modules."""

import re

import pytest

import learnerdsl as ld
from learnerdsl.command import kept
from learnerdsl.command.output import Section, packed, unpacked
from learnerdsl.learners import adam, adamw, lion, muon, nesterov, sgd


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--math", lambda: adam.pretty()),
        ("--loop", lambda: adam.loops()),
        ("--source", lambda: adam.source()),
        ("--plan", lambda: f"{adam.plan()}\n{adam.cost()}"),
    ],
)
def test_a_view_is_what_the_method_returns(run, option, expected):
    assert run("show", "adam", option).rstrip("\n") == expected().rstrip("\n")


def test_views_follow_their_options(run):
    narrow = run("show", "adam", "--plan", "--dtype", "bfloat16", "--states", "m=int8,v=uint8")
    assert str(adam.plan("bfloat16", states={"m": "int8", "v": "uint8"})) in narrow
    assert run("show", "adam", "--loop", "--target", "cuda").strip() == adam.loops("cuda").strip()
    functions = run("show", "adam", "--source", "--target", "jax")
    assert functions.strip() == adam.source("jax").strip()
    plain = run("show", "nesterov", "--math")
    assert plain.strip() == nesterov.pretty().strip()
    matrix = run("show", "muon", "--loop", "--shape", "64,32", "-o", "nesterov=false")
    assert matrix.strip() == muon.loops(shape=(64, 32), nesterov=False).strip()
    two = run("show", "adam", "--plan", "--math")
    assert two.index("28 bytes") != two.index("m_new")


def test_the_card_is_that_of_the_rule(run, rules):
    assert run("show", "adam").strip() == str(adam.card()).strip()
    assert "Goes slowly." in run("show", f"{rules / 'two.py'}:slow")
    assert "clip_by_global_norm" in run("show", "clip_by_global_norm")


def test_machine_code_and_ptx_are_shown(run):
    assert run("show", "sgd", "--asm").strip() == str(sgd.asm(loop=True)).strip()
    pytest.importorskip("numba_cuda")
    assert ".visible .entry" in run("show", "sgd", "--ptx")


def test_names_mean_files_modules_transforms_and_chains(run, run_json, rules, monkeypatch):
    assert "Goes slowly." in run("show", f"{rules / 'two.py'}:slow")
    assert run_json("show", f"{rules / 'two.py'}:fast")["states"] == ["m"]
    monkeypatch.chdir(rules)
    assert run_json("show", "two:slow")["hyperparameters"] == {"lr": 0.125}
    assert run_json("show", "learnerdsl.learners:lion")["name"] == "lion"
    assert run_json("show", "clip_by_global_norm")["kind"] == "transform"
    chained = run("show", "clip_by_global_norm+two.py:fast", "--plan")
    assert "2 passes" in chained
    assert "sum over model" in chained


def test_a_file_with_one_rule_needs_no_name_of_it(run, rules):
    (rules / "two.py").write_text((rules / "two.py").read_text().partition("@ld.rule\ndef fast")[0])
    assert "Goes slowly." in run("show", str(rules / "two.py"))


MISTAKES = [
    (["show", "adma"], "There is no builtin 'adma'; did you mean adam or"),
    (["show", "adamm"], "There is no builtin 'adamm'; did you mean madam or adam"),
    (["show", "zzzzzzz"], "learnerdsl list shows all"),
    (["show", "adam+nothing_such"], "There is no builtin 'nothing_such'"),
    (["show", "no.py:x"], "There is no file no.py"),
    (["show", "two.py:sloww"], "two.py has no rule 'sloww'; did you mean slow?"),
    (["show", "two.py"], "two.py defines slow, fast; write two.py:slow for one."),
    (["show", "none.py"], "none.py defines no rule"),
    (["show", "broken.py:x"], "Importing broken.py failed: RuntimeError: on purpose, line 2 of"),
    (["show", "no_such_module:x"], "Importing no_such_module failed: ModuleNotFoundError"),
    (["show", "adam", "-o", "nesterov"], "'nesterov' is not of the form NAME=VALUE"),
    (["show", "adam", "--plan", "-o", "nesterov=true"], "nesterov"),
    (["show", "adam", "--plan", "--shape", "3,x"], "A shape consists of whole numbers, got '3,x'"),
    (["show", "adam", "--plan", "--dtype", "float31"], "float31"),
    (
        ["show", "adam", "--loop", "--target", "jax"],
        "JAX has no loops or number types of states here",
    ),
    (["compare", "adam", "adamm"], "did you mean madam or adam"),
    (["compare", "adam", "lion", "--states", "v=int8"], "v"),
    (["export", "adamm", "numpy"], "did you mean madam or adam"),
    (["export", "muon", "c"], "learnerdsl export muon numpy or learnerdsl export muon torch."),
    (["export", "adafactor", "numba"], "or --shape 8 for tensors of that kind"),
    (["export", "adam", "c", "--dtype", "bfloat16"], "write --dtype float32 or --dtype float64."),
    (["compare", "sgd", "lion", "--states", "bfloat16"], "so --states bfloat16 would change noth"),
    (["show", "adam", "--states", "int3"], "or m=int8 for one state"),
    (["show", "adam", "-o", "master=kahan"], "are parameters of float32; leave -o master out."),
    (["show", "mistakes.py:branches"], "mistakes.py:6."),
    (["show", "mistakes.py:misspelt"], "Error: NameError: name 'grad' is not defined. See /"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda a: " ".join(a)[:40])
def test_a_mistake_is_one_line_and_exit_code_1(run, rules, monkeypatch, arguments, message):
    monkeypatch.chdir(rules)
    text = run(*arguments, code=1)
    assert text.startswith("Error: ")
    assert message in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["shwo"],
        ["show"],
        ["show", "adam", "--nothing"],
        ["compare", "adam"],
        ["list", "--family", "x"],
        ["plot"],
    ],
)
def test_usage_is_exit_code_2(run, arguments):
    assert "Usage:" in run(*arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["export", "adam", "pytorch"], "torch"),
        (["shwo", "adam"], "show"),
        (["list", "--family", "adams"], "adam"),
        (["plot", "adam", "--problem", "rosenbrok"], "rosenbrock"),
    ],
)
def test_what_is_written_almost_right_is_asked_for(run, arguments, near):
    assert f"did you mean {near}?" in run(*arguments, code=2)


def test_what_is_to_be_typed_can_be_typed(run):
    message = run("export", "adafactor", "numba", code=1)
    shape = re.search(r"--shape \S+", message)
    assert "def adafactor_update" in run("export", "adafactor", "numba", *shape[0].split())
    assert "import numpy" in run(*re.search(r"learnerdsl (.*?) or", message)[1].split())


def test_html_is_a_page_in_a_file(run, tmp_path):
    path = tmp_path / "adam.html"
    assert run("show", "adam", "--html", str(path)) == f"wrote {path}\n"
    text = path.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "adam_pass_1" in text
    missing = run("show", "adam", "--html", str(tmp_path / "no" / "adam.html"), code=1)
    assert "there is no directory" in missing


def test_compare_is_what_the_function_returns(run, run_json, rules):
    assert run("compare", "adam", "adamw") == f"{ld.compare(adam, adamw)}\n"
    given = ["--dtype", "bfloat16", "--states", "bfloat16", "--shape", "8,4"]
    narrow = ld.compare(adam, muon, lion, dtype="bfloat16", states="bfloat16", shape=(8, 4))
    assert run("compare", "adam", "muon", "lion", *given) == f"{narrow}\n"
    own = run_json("compare", f"{rules / 'two.py'}:slow", "clip_by_global_norm+adam")
    assert own["names"] == ["slow", "clip_by_global_norm_adam"]
    (arguments,) = [s["rows"] for s in own["sections"] if s["title"] == "hyperparameters"]
    assert {"texts": ["lr = 0.125", "lr = 0.001"], "differs": True} in arguments


def test_options_are_for_the_rules_that_have_them(run):
    text = run("compare", "muon", "adam", "-o", "nesterov=false")
    assert text == f"{ld.compare(muon, adam, nesterov=False)}\n"
    message = run("compare", "sgd", "adam", "-o", "nesterov=false", code=1)
    assert "no option 'nesterov'" in message


@pytest.mark.parametrize("width", [90, 300])
def test_a_terminal_shows_columns_where_they_fit(start, width):
    found = ld.compare(adam, adamw)
    environment = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": str(width)}
    text = start("-m", "learnerdsl", "compare", "adam", "adamw", **environment).stdout
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in text.splitlines()]
    decays = ["weight_decay = 0", "weight_decay = 0.01"]
    if width == 300:
        (own,) = [line for line in lines if decays[1] in line]
        assert own.split() == ["|", *" ".join(decays).split()]
    else:
        place = lines.index(f"| {decays[1]}")
        assert lines[place - 3 : place] == ["adam", f"| {decays[0]}", "adamw"]
    assert max(map(len, lines)) <= width + 20  # lines of code are not broken
    for section in found.sections:
        for row in section.rows:
            for cell in filter(None, (cell.strip() for cell in row.texts)):
                assert any(cell in line for line in lines), cell


def test_texts_of_builtins_are_kept_and_follow_their_key(monkeypatch, tmp_path):
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return f"text {len(made)}"

    assert kept.kept("plan", {"name": "a"}, make) == "text 1"
    assert kept.kept("plan", {"name": "a"}, make) == "text 1"
    assert kept.kept("plan", {"name": "b"}, make) == "text 2"
    assert kept.kept("loop", {"name": "a"}, make) == "text 3"
    file = next(path for path in tmp_path.iterdir() if b"text 1" in path.read_bytes())
    file.write_bytes(file.read_bytes().replace(b"text 1", b"text X"))
    assert kept.kept("plan", {"name": "a"}, make) == "text 4"  # a damaged file is made again


def test_changed_files_of_the_package_make_other_keys(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "_PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("1")
    before = kept._files.__wrapped__()
    (tmp_path / "a.py").write_text("12")
    assert kept._files.__wrapped__() != before


def test_rules_in_files_are_not_kept(run, rules):
    assert "0.125" in run("show", f"{rules / 'two.py'}:slow")


def test_sections_survive_a_file():
    sections = [Section("a", "b", "python"), Section("c", "d")]
    assert unpacked(packed(sections)) == sections


@pytest.mark.parametrize(("given", "other"), [("adam", "adamw"), ("lion", "adam")])
def test_a_rule_alone_is_to_be_compared_with_another(run, given, other):
    assert f"learnerdsl compare {given} {other}\n" in run("compare", given, code=2)
