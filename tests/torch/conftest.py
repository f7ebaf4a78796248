"""What the tests of the PyTorch front end share."""

import pytest
import torch


@pytest.fixture
def double_scalars():
    """Let torch keep scalars of NAdam and ASGD in float64, as this package does."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
