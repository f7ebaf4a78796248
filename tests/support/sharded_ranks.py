"""What one process of the tests of sharded training does."""

import traceback
from pathlib import Path

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

import learnerdsl.torch as ldt
from learnerdsl import ArrayError, DtypeError, learners
from learnerdsl.torch.interface import class_name
from support.problems import takes_vectors
from support.processes import spawn

TOLERANCE = 1e-10


def network(dtype=torch.float64):
    """Return a small network, in which ranks have different numbers of rows, or none."""
    torch.manual_seed(3)
    layers = [nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 1)]
    return nn.Sequential(*layers).to(dtype)


def matrices(dtype=torch.float64):
    """Return a network whose parameters are all matrices."""
    torch.manual_seed(3)
    layers = [nn.Linear(12, 6, bias=False), nn.Tanh(), nn.Linear(6, 5, bias=False)]
    return nn.Sequential(*layers).to(dtype)


def by_rows(model, mesh):
    """Shard every layer as FSDP2 does."""
    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def by_columns(model, mesh):
    """Shard matrices along their columns."""

    def place(parameter):
        last = parameter.ndim - 1
        return Shard(last if parameter.shape[last] % mesh.size() == 0 else 0)

    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh, shard_placement_fn=place)
    return fully_shard(model, mesh=mesh, shard_placement_fn=place)


def by_tensors(model, mesh):
    """Make the layers of a network parallel: by rows, then by columns; the last is replicated."""
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    return parallelize_module(model, mesh, plan)


def by_both(model, mesh):
    """Make layers parallel along the second axis of a mesh, and shard them along the first."""
    by_tensors(model, mesh["tensors"])
    return by_rows(model, mesh["data"])


def batches(steps, seed=1, dtype=torch.float64):
    """Return inputs, the same on every rank."""
    numbers = torch.Generator().manual_seed(seed)
    return [torch.randn(8, 12, generator=numbers, dtype=dtype) for _ in range(steps)]


def backward(model, batch):
    """Compute the gradients of a network that is to give zeros."""
    model.zero_grad()
    model(batch).square().mean().backward()


def train(model, optimizer, steps=4, seed=1, **extras):
    """Train a network."""
    for batch in batches(steps, seed):
        backward(model, batch)
        optimizer.step(**extras)


def train_both(alone, parts, optimizers, rule, steps=12):
    """Train a whole and a sharded network by the same gradients.

    Those of the sharded one differ in rounding, on which rules such as SOAP depend strongly, so
    they are compared, and then replaced.
    """
    for batch in batches(steps):
        backward(alone, batch)
        backward(parts, batch)
        for p, q in zip(alone.parameters(), parts.parameters(), strict=True):
            torch.testing.assert_close(full(q.grad), p.grad)
            q.grad = divided(p.grad, q)
        for optimizer in optimizers:
            optimizer.step(**other_inputs(rule, optimizer))


def other_inputs(rule, optimizer):
    """Return the inputs of an update besides the gradients."""
    parameters = optimizer.param_groups[0]["params"]
    squares = {p: p.grad**2 + 0.1 for p in parameters}
    return {e.name: 0.7 if e.shape == "model" else squares for e in rule.extras}


def divided(tensor, like):
    """Return a tensor that is divided as another one is."""
    if not hasattr(like, "placements"):
        return tensor.clone()
    mesh, placements = like.device_mesh, like.placements
    shape, first = compute_local_shape_and_global_offset(like.shape, mesh, placements)
    part = tensor[tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True))].contiguous()
    found = DTensor.from_local(
        part, mesh, placements, run_check=False, shape=tensor.shape, stride=tensor.stride()
    )
    assert torch.equal(found.full_tensor(), tensor)
    return found


def whole(model):
    """Return the whole parameters of a network."""
    return [full(p.detach()) for p in model.parameters()]


def full(tensor):
    """Return a whole tensor."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def error(one, other, start):
    """Return the greatest difference between two networks, in units of their movement."""
    triples = zip(whole(one), whole(other), whole(start), strict=True)
    return max(((a - b).abs().max() / (a - c).abs().max()).item() for a, b, c in triples)


def builtins(mesh, shard, names, tolerance=TOLERANCE):
    """Train sharded and whole networks by builtin learners; return the faults."""
    faults = []
    for name in names:
        cls, make = getattr(ldt, class_name(name)), network
        if not takes_vectors(name):
            cls, make = ldt.optimizer_class(getattr(learners, name)), matrices
        try:
            rule = getattr(learners, name).trace(shape=(2, 3))
            alone, parts = make(), shard(make(), mesh)
            train_both(alone, parts, [cls(alone.parameters()), cls(parts.parameters())], rule)
            found = error(alone, parts, make())
            if not found <= tolerance:
                faults.append(f"{name}: {found}")
        except Exception:
            faults.append(f"{name}: {traceback.format_exc(limit=-3)}")
    return faults


def run(rank, size, folder, work, arguments):
    """Do the work of one rank, which writes what it found into a file."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=size)
    try:
        Path(folder, f"{rank}.txt").write_text("\n".join(work(size, *arguments) or []))
    finally:
        distributed.destroy_process_group()


def on_ranks(size, folder, work, *arguments):
    """Run `work(size, *arguments)` on several ranks; raise if one finds a fault."""
    Path(folder).mkdir(exist_ok=True)
    spawn(run, size, size, str(folder), work, arguments)
    found = [Path(folder, f"{rank}.txt").read_text() for rank in range(size)]
    assert not any(found), "\n\n".join(found)


def shard_builtins(size, names, shards=("by_rows", "by_columns")):
    """Compare builtin learners under each way to shard."""
    mesh = init_device_mesh("cpu", (size,))
    return [
        f"{shard} {fault}" for shard in shards for fault in builtins(mesh, globals()[shard], names)
    ]


def shard_on_two_axes(size, names):
    """Compare builtin learners on a mesh of two axes: data and tensors."""
    mesh = init_device_mesh("cpu", (size // 2, 2), mesh_dim_names=("data", "tensors"))
    return builtins(mesh, by_both, names)


def refusals(size):
    """Return what is not refused as it should be."""
    mesh = init_device_mesh("cpu", (size,))
    faults = []

    def expect(words, error, make):
        try:
            make()
        except error as refusal:
            if words not in str(refusal):
                faults.append(f"{refusal} does not say {words}")
        else:
            faults.append(f"nothing is refused: {words}")

    def stepped(parameter, cls=ldt.AdamW, **arguments):
        parameter = nn.Parameter(parameter)
        parameter.grad = parameter.detach().clone()
        cls([parameter], **arguments).step()

    whole = torch.arange(24.0).reshape(4, 6)
    rows = distribute_tensor(whole, mesh, [Shard(0)])
    columns = distribute_tensor(whole, mesh, [Shard(1)])
    turned = DTensor.from_local(torch.ones(6, 2).T, mesh, [Shard(0)])
    summands = DTensor.from_local(torch.ones(2, 6), mesh, [Partial()])
    expect("cross the borders", DtypeError, lambda: stepped(rows, states="int8"))
    expect("along the first axis", ArrayError, lambda: stepped(columns, ldt.NoisySGD))
    expect("row-major order", ArrayError, lambda: stepped(turned))
    expect("summands", ArrayError, lambda: stepped(summands))
    stepped(rows)
    return faults


def versions(size):
    """Return a fault unless autograd notices an update between forward and backward."""
    mesh = init_device_mesh("cpu", (size,))
    weight = nn.Parameter(distribute_tensor(torch.ones(4, 6), mesh, [Shard(0)]))
    loss = (weight**2).sum()
    weight.grad = weight.detach().clone()
    ldt.SGD([weight], lr=0.1).step()
    try:
        loss.backward()
    except RuntimeError as error:
        return [] if "modified by an inplace operation" in str(error) else [str(error)]
    return ["the update went unnoticed"]


def moved_states(size):
    """Return a fault unless states can be read, and written from whole tensors and DTensors."""
    mesh = init_device_mesh("cpu", (size,))
    weight = nn.Parameter(distribute_tensor(torch.ones(5, 6), mesh, [Shard(0)]))
    optimizer = ldt.AdamW([weight])
    weight.grad = distribute_tensor(torch.ones(5, 6), mesh, [Shard(0)])
    optimizer.step()
    values = torch.arange(30.0).reshape(5, 6)
    for given in (values, distribute_tensor(values, mesh, [Shard(1)])):
        optimizer.state[weight]["exp_avg"] = torch.zeros(5, 6)
        optimizer.state[weight]["exp_avg"] = given
        if not torch.equal(full(optimizer.state[weight]["exp_avg"]), values):
            return [f"{type(given)} was not written"]
    return []
