"""docs/learners.md says what the package is."""

import pytest
from support.families import TRUSTED
from support.learners_page import HEADING, PAGE, description, mathematics, worst_error
from support.tiers import few

from learnerdsl import learners

TEXT = PAGE.read_text()


def row_of(name):
    """The row of a learner, and the error it claims."""
    rows = [line for line in TEXT.splitlines() if line.startswith(f"| [`{name}`]")]
    assert len(rows) == 1, f"docs/learners.md has {len(rows)} rows for {name}: write it anew"
    shown, _, error = rows[0].removesuffix(" |").rpartition(" ")
    return shown, error


def test_the_page_starts_as_it_is_written():
    assert TEXT.startswith(HEADING)


@pytest.mark.parametrize("name", learners.__all__)
def test_the_row_of_a_learner_is_up_to_date(name):
    assert row_of(name)[0] == description(name)


@pytest.mark.parametrize("name", learners.__all__)
def test_the_mathematics_of_a_learner_is_up_to_date(name):
    assert mathematics(name) in TEXT


@pytest.mark.parametrize("name", few(sorted(TRUSTED.keys() & set(learners.__all__))))
def test_the_error_claimed_is_not_exceeded(name):
    # Tenfold, as machines round differently; 1e-15 where nothing but rounding was left.
    assert worst_error(name) <= 10 * max(float(row_of(name)[1]), 1e-15)


def test_the_page_has_no_learner_that_is_not_there():
    rows = [line for line in TEXT.splitlines() if line.startswith("| [`")]
    assert len(rows) == len(learners.__all__)
