"""What one process of the tests of data parallel training does."""

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import learnerdsl.torch as ldt
from support.torch_models import distance, network, train


def train_in_parallel(rank, folder):
    """Train two copies of a model on two ranks; raise unless AdamW agrees with torch."""
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    models = []
    for optimizer_class in (ldt.AdamW, torch.optim.AdamW):
        model = network()
        parallel = DistributedDataParallel(model, gradient_as_bucket_view=True)
        optimizer = optimizer_class(parallel.parameters(), lr=0.01)
        for k in range(4):
            train(parallel, optimizer, 1, 10 * k + rank)
        models.append(model)
    assert distance(*models) < 1e-6
    distributed.destroy_process_group()
