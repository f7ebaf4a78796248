"""ZeRO of DeepSpeed trains with rules as with optimizers of torch."""

import importlib.util
import shutil

import pytest
from support.engine_ranks import (
    RANKS,
    refuse_in_deepspeed,
    resume_with_deepspeed,
    train_with_deepspeed,
)
from support.processes import spawn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
    ),
    pytest.mark.skipif(shutil.which("g++") is None, reason="DeepSpeed needs a C++ compiler"),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_is_that_of_torch_in_all_stages(precision, tmp_path):
    spawn(train_with_deepspeed, RANKS, str(tmp_path), precision)


@pytest.mark.parametrize("stage", [2, 3])
def test_training_resumes_bitwise(stage, tmp_path):
    spawn(resume_with_deepspeed, RANKS, str(tmp_path), stage)


def test_rules_that_need_whole_tensors_are_refused(tmp_path):
    spawn(refuse_in_deepspeed, RANKS, str(tmp_path))
