"""Optimizers work in data parallel training, where each process updates whole tensors."""

import pytest
import torch
from support.torch_ranks import train_in_parallel


@pytest.mark.slow
def test_data_parallel_training_is_that_of_torch(tmp_path):
    torch.multiprocessing.spawn(train_in_parallel, (str(tmp_path),), nprocs=2)
