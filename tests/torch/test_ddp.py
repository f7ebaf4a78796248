"""Optimizers work in data parallel training, where each process updates whole tensors."""

import pytest
from support.processes import spawn
from support.torch_ranks import train_in_parallel


@pytest.mark.slow
def test_data_parallel_training_is_that_of_torch(tmp_path):
    spawn(train_in_parallel, 2, str(tmp_path))
