"""Train a sharded network on several processes with a rule that needs norms of whole tensors.

    torchrun --nproc-per-node 2 examples/torch_fsdp.py

FSDP2 gives each process some rows of every parameter. `clip_by_global_norm` and `lamb` need norms
of the whole model and of whole tensors: the compiler knows which, and the optimizer joins them in
one exchange for each pass. It runs on the CPU, without a download.
"""

import argparse
import os
import sys
import tempfile

import torch
import torch.distributed.checkpoint as dcp
from torch import distributed, nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.learners import lamb
from learnerdsl.transforms import clip_by_global_norm

ClippedLAMB = ldt.optimizer_class(ld.chain(clip_by_global_norm, lamb), "ClippedLAMB")


def make_network() -> nn.Sequential:
    """Return the same network on every process."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
    )


def shard(network: nn.Sequential) -> nn.Sequential:
    """Give each process some rows of every layer."""
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in network:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    return fully_shard(network, mesh=mesh)


def train(network: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> float:
    """Fit the norm of random points, and return the last loss."""
    loss = torch.zeros(())
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        points = torch.randn(256, 16, generator=generator)
        loss = (network(points) - points.norm(dim=1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def largest_difference(one: nn.Module, other: nn.Module) -> float:
    """Return the largest difference between the parameters of a sharded and a whole network."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max((p.full_tensor() - q).abs().max().item() for p, q in pairs)


def main(steps: int, folder: str) -> None:
    """Train on all processes, save, resume, and compare with training on one."""
    distributed.init_process_group("gloo")
    is_first = distributed.get_rank() == 0
    settings = {"lr": 0.01, "max_norm": 0.5}

    network = shard(make_network())
    optimizer = ClippedLAMB(network.parameters(), **settings)
    train(network, optimizer, 0, steps // 2)
    weights, states = get_state_dict(network, optimizer)
    dcp.save({"network": weights, "optimizer": states}, checkpoint_id=folder)

    # Another run begins here, on any number of processes.
    network = shard(make_network())
    optimizer = ClippedLAMB(network.parameters(), **settings)
    weights, states = get_state_dict(network, optimizer)
    loaded = {"network": weights, "optimizer": states}
    dcp.load(loaded, checkpoint_id=folder)
    set_state_dict(
        network,
        optimizer,
        model_state_dict=loaded["network"],
        optim_state_dict=loaded["optimizer"],
    )
    loss = train(network, optimizer, steps // 2, steps)

    alone = make_network()
    train(alone, ClippedLAMB(alone.parameters(), **settings), 0, steps)
    difference = largest_difference(network, alone)  # an exchange, so on every process
    if is_first:
        print(optimizer.interface.described.collectives())
        print(f"{distributed.get_world_size()} processes, {steps} steps, last loss {loss:.4f}")
        print(f"Largest difference from training on one process: {difference:.1e}")
    distributed.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", default=f"{tempfile.gettempdir()}/torch_fsdp_checkpoint")
    arguments = parser.parse_args()
    main(arguments.steps, arguments.folder)
    # FSDP keeps its process group, whose threads may free a tensor while Python ends, and abort
    # (pytorch/pytorch#179291). So the process ends without Python's clean-up.
    sys.stdout.flush()
    os._exit(0)
