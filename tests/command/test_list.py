"""The table of the builtins, its filters, and that it is what the rules say."""

import json

import pytest
from rich.console import Console
from rich.text import Text
from support.problems import OF_MATRICES
from support.tiers import FEW, FEW_TRANSFORMS

from learnerdsl import learners, transforms
from learnerdsl.command import catalogue, entries, listing, output
from learnerdsl.command.families import FAMILIES
from learnerdsl.command.names import find


@pytest.mark.slow
def test_the_table_is_that_of_the_rules():
    path = entries.Path(catalogue.__file__).with_name(catalogue.FILE)
    assert path.read_text() == entries.text_of(entries.table()), (
        "run python -m learnerdsl.command.entries"
    )


@pytest.mark.parametrize("name", sorted(FEW | FEW_TRANSFORMS))
def test_an_entry_of_the_table_is_that_of_the_rule(name):
    (kept,) = (entry for entry in catalogue.catalogue() if entry["name"] == name)
    assert kept == json.loads(json.dumps(entries.entry(find(name), name)))


def test_every_learner_has_one_family():
    named = [name for names in FAMILIES.values() for name in names.split()]
    assert sorted(named) == sorted(learners.__all__)


def test_learners_and_transforms_are_listed(run_json):
    assert [entry["name"] for entry in run_json("list")] == learners.__all__
    assert [entry["name"] for entry in run_json("list", "--transforms")] == transforms.__all__


def names(found):
    return {entry["name"] for entry in found}


def test_filters_keep_what_is_asked_for(run_json):
    assert names(run_json("list", "--matrix")) == OF_MATRICES
    assert names(
        run_json("list", "--states", "0", "--no-matrix", "--passes", "1", "--sort", "year")
    ) == {*("noisy_sgd", "sgd", "sign_sgd")}
    assert names(run_json("list", "--extras")) == {
        name for name in learners.__all__ if getattr(learners, name).trace().extras
    }
    assert {"lion", "sgd"} <= names(run_json("list", "--memory", "4"))
    assert "adam" not in names(run_json("list", "--memory", "4"))
    assert "lion" in names(run_json("list", "--family", "sign", "--no-extras"))
    assert names(run_json("list", "road", "scheduled")) == {
        *("schedule_free_adamw", "schedule_free_sgd", "schedule_free_radam")
    }


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["zzzz"], "Nothing has 'zzzz' in name, summary, paper or family."),
        (["--transforms", "clip_by_globel_norm"], "; did you mean clip_by_global_norm"),
        (["ema_of", "weight_decay"], "Nothing has 'ema_of'"),
        (["clip_by_global_norm"], "No learner fits; --transforms lists clip_by_global_norm."),
        (["lion", "--matrix"], "No learner fits all of this; leave something out."),
    ],
)
def test_finding_nothing_is_exit_code_1_with_a_hint(run, start, arguments, hint):
    message = run("list", *arguments, code=1)
    assert hint in message
    assert message.count("\n") == 1
    done = start("-m", "learnerdsl", "list", *arguments, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, [])


def test_rows_are_sorted_as_asked(run_json):
    years = [entry["year"] for entry in run_json("list", "--sort", "year")]
    assert years == sorted(years)
    memory = [entry["state_bytes"] for entry in run_json("list", "--sort", "memory")]
    assert memory == sorted(memory)


def test_entries_name_their_papers():
    # By hand, from the docstrings.
    assert entries.reference(
        "References:\n    A, [On\n    B](http://c), section 7, 2015; D, 2019."
    ) == {
        "paper": "On B",
        "year": "2015",
        "url": "http://c",
    }
    adam = next(entry for entry in catalogue.catalogue() if entry["name"] == "adam")
    assert (adam["year"], adam["url"]) == ("2015", "https://arxiv.org/abs/1412.6980")
    assert (adam["state_bytes"], adam["traffic"], adam["states"]) == (8, 28, ["m", "v"])


def test_a_pipe_gets_one_line_for_each_learner(run):
    lines = run("list", "lamb").splitlines()
    assert [line.split()[0] for line in lines] == ["name", "lamb", "lamb_timm", "2"]
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("width", [50, 79, 200])
def test_a_table_fits_a_terminal(run, monkeypatch, width):
    def console():
        return Console(force_terminal=True, width=width, no_color=True, highlight=False)

    monkeypatch.setattr(listing, "results", console)
    monkeypatch.setattr(output, "results", console)
    text = Text.from_ansi(run("list", "--family", "factored")).plain
    assert {"adafactor", "sm3"} <= {line.partition(" ")[0] for line in text.splitlines()}
    assert max(map(len, text.splitlines())) <= width
    assert ("traffic" in text) == (width == 200)


def test_json_is_that_of_the_file(run):
    assert json.loads(run("list", "--json")) == [
        entry for entry in catalogue.catalogue() if entry["kind"] == "learner"
    ]


def test_memory_counts_states_of_rows_and_matrices_too(run_json):
    least = {own["name"] for own in run_json("list", "--memory", "0")}
    assert {"sgd", "adafactor"} <= least  # two values for each row and column are little
    assert not least & {"shampoo", "lion"}
    assert "shampoo" in {own["name"] for own in run_json("list", "--memory", "8")}
