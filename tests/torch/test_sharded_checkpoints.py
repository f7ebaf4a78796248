"""Training continues from checkpoints of sharded optimizers, on any number of ranks."""

import pytest
from support import sharded_checkpoints
from support.sharded_ranks import on_ranks


@pytest.mark.slow
def test_two_ranks_save_and_others_resume(tmp_path):
    saved = str(tmp_path / "saved")
    on_ranks(2, tmp_path / "two", sharded_checkpoints.save, saved)
    on_ranks(2, tmp_path / "again", sharded_checkpoints.resume, saved)
    on_ranks(3, tmp_path / "three", sharded_checkpoints.resume, saved)
    on_ranks(1, tmp_path / "one", sharded_checkpoints.resume, saved)


@pytest.mark.slow
@pytest.mark.parametrize("work", ["other_forms", "across_libraries"])
def test_states_are_passed_on(work, tmp_path):
    on_ranks(2, tmp_path, getattr(sharded_checkpoints, work))
