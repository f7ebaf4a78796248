"""A slice of the campaign of tests/fuzz: random rules by three judges, bad calls, damaged files."""

import pytest
from fuzz.calls import wrong_calls
from fuzz.damage import damaged_checkpoints, killed_while_saving, learners_in_threads
from fuzz.recipes import random_recipe
from fuzz.trials import try_out
from support.tiers import slow


@pytest.mark.parametrize("first", [0, *map(slow, (10, 20, 30))])
def test_random_rules_are_right_by_three_judges(first):
    for seed in range(first, first + 10):
        recipe = random_recipe(seed)
        outcome = try_out(recipe)
        assert not outcome.is_finding, f"{outcome.kind}: {outcome.detail}\n{recipe.source}"


def test_wrong_calls_are_refused_and_change_nothing():
    assert wrong_calls(seed=1, count=250) == []


def test_damaged_files_are_refused_and_change_nothing(tmp_path):
    assert damaged_checkpoints(seed=1, count=60, folder=tmp_path) == []


def test_a_save_that_is_killed_leaves_a_file_that_loads(tmp_path):
    assert killed_while_saving(seed=1, count=2, folder=tmp_path) == []


def test_learners_in_threads_end_where_they_end_alone():
    assert learners_in_threads(seed=1, count=4) == []
