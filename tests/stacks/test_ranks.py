"""What of torch gives each process flat pieces of tensors, or some tensors, trains with rules."""

import pytest
from support.engine_ranks import RANKS, train_with_fsdp1, train_with_zero
from support.processes import spawn

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("keeps_parameters", [True, False], ids=["original", "flat"])
def test_first_fsdp_trains_as_with_optimizers_of_torch(keeps_parameters, tmp_path):
    spawn(train_with_fsdp1, RANKS, str(tmp_path), keeps_parameters)


def test_zero_redundancy_optimizer_trains_as_with_optimizers_of_torch(tmp_path):
    spawn(train_with_zero, RANKS, str(tmp_path))
