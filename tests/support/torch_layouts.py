"""Tensors of the shapes and layouts that optimizers of torch take."""

import torch

LAYOUTS = {
    "0-d": torch.tensor(2.0),
    "empty": torch.empty(0, 3),
    "transposed": torch.arange(12.0).reshape(3, 4).T,
    "channels_last": torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "complex": torch.complex(torch.arange(6.0), torch.ones(6)),
}
"""What is special about a tensor -> the tensor."""
