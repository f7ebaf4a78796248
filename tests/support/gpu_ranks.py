"""What one process of the tests of sharded training on a GPU does; see `host_device`."""

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl import learners
from learnerdsl.torch.interface import class_name
from learnerdsl.torch.ranks import RankTeam
from learnerdsl.transforms import clip_by_global_norm
from support import host_device, sharded_ranks
from support.problems import takes_vectors
from support.rules_of_counts import by_mean_norm
from support.sharded_ranks import TOLERANCE, backward, batches, error, full, train_both, whole

CLIPPED = ld.chain(clip_by_global_norm, learners.lamb, name="clipped_lamb_on_ranks")
OF_THIS = {"clipped": CLIPPED, "by_mean_norm": by_mean_norm}

DECOMPOSING = {"soap"}
"""Rules that take another path if a library has other eigenvectors, of which signs are free."""


def compare(device, mesh, shard, rule, steps, **arguments):
    """Train parts on the device, and whole tensors, most on the host; return the faults."""
    name = rule.name
    is_class = name in learners.__all__ and takes_vectors(name)
    cls = getattr(ldt, class_name(name)) if is_class else ldt.optimizer_class(rule)
    make = sharded_ranks.matrices if not takes_vectors(name) else sharded_ranks.network
    alone, parts = make(), shard(make(), mesh)
    if name not in DECOMPOSING:
        device.leave(*alone.parameters())
    optimizers = [cls(m.parameters(), **arguments) for m in (alone, parts)]
    before = len(device.launched)
    train_both(alone, parts, optimizers, rule.trace(shape=(2, 3)), steps)
    found = error(alone, parts, make())
    faults = [] if found <= TOLERANCE else [f"{name}: {found}"]
    if len(device.launched) == before:
        faults.append(f"{name}: nothing ran on the device")
    states = [[shown(o.state[p]) for p in o.param_groups[0]["params"]] for o in optimizers]
    return faults + ([] if states[0] == states[1] else [f"{name}: {states}"])


def shown(state):
    """What the states of a parameter are, besides their values."""
    return {name: (tuple(value.shape), value.dtype) for name, value in state.items()}


def builtins_on_gpu(size, names, shards, steps=12):
    """Compare builtin learners under each way to shard."""
    mesh = init_device_mesh("cpu", (size,))
    with pytest.MonkeyPatch.context() as patch:
        device = host_device.use(patch)
        host_device.use_matrices(patch)
        return [
            f"{shard} {fault}"
            for shard in shards
            for name in names
            for fault in compare(
                device, mesh, getattr(sharded_ranks, shard), getattr(learners, name), steps
            )
        ]


def on_gpu(size, rules, works):
    """Return what is not as it should be, of some rules and of functions of this module, by name.

    Args:
        size: the number of ranks.
        rules: pairs of a rule and a way to shard.
        works: names of functions of the device, the mesh and a MonkeyPatch, which return faults.
    """
    mesh = init_device_mesh("cpu", (size,))
    faults = []
    with pytest.MonkeyPatch.context() as patch:
        device = host_device.use(patch)
        host_device.use_matrices(patch)
        for name, shard in rules:
            rule = OF_THIS.get(name) or getattr(learners, name)
            options = {"max_norm": 0.5} if rule is CLIPPED else {}
            faults += compare(device, mesh, getattr(sharded_ranks, shard), rule, 3, **options)
        for name in works:
            faults += [f"{name}: {fault}" for fault in globals()[name](device, mesh, patch)]
    return faults


def trained(make, shard=None, steps=2, dtype=torch.float32, network=sharded_ranks.network):
    """A network and its optimizer after some steps on the device."""
    model = network(dtype)
    model = model if shard is None else shard(model)
    optimizer = make(model.parameters())
    for batch in batches(steps, dtype=dtype):
        given = network(dtype)
        backward(given, batch)
        for p, q in zip(model.parameters(), given.parameters(), strict=True):
            p.grad = sharded_ranks.divided(q.grad, p)
        optimizer.step()
    return model, optimizer


def alike(device, mesh, patch):
    """A rule that treats elements alike gives bitwise what whole tensors give."""
    ends = [
        trained(ldt.AdamW, shard)[0]
        for shard in (None, lambda model: sharded_ranks.by_rows(model, mesh))
    ]
    pairs = zip(whole(ends[0]), whole(ends[1]), strict=True)
    return [] if all(torch.equal(a, b) for a, b in pairs) else ["not bitwise the same"]


def exchanged(device, mesh, patch):
    """A step has one collective after its pass, and waits for nothing."""
    sizes, plain = [], RankTeam.gather_on_device

    def gather(team, target, values):
        sizes.append(len(values))
        plain(team, target, values)

    model, optimizer = trained(ldt.LAMB, lambda model: sharded_ranks.by_rows(model, mesh))
    with patch.context() as own:
        own.setattr(RankTeam, "gather_on_device", gather)
        before, device.streams = device.waits, []
        optimizer.step()
    tensors = len(list(model.parameters()))
    if sizes != [2 * tensors] or device.waits != before or set(device.streams) != {device.stream}:
        return [f"{sizes}, {device.waits - before} waits"]
    (plan,) = optimizer.plans
    return [] if "after pass 1: join sum_1, sum_2" in str(plan) else [str(plan)]


def refused(device, mesh, patch):
    """A gradient with NaN in one part is refused by all."""
    faults = []
    weight = nn.Parameter(distribute_tensor(torch.ones(5, 6), mesh, [Shard(0)]))
    bias = nn.Parameter(distribute_tensor(torch.ones(6), mesh, [Shard(0)]))
    for made, rule in ((ldt.AdamW, {}), (ldt.LAMB, {})):
        optimizer = made({"weight": weight, "bias": bias}.items(), nonfinite="skip", **rule)
        values = torch.ones(5, 6)
        values[4, 5] = float("nan")  # the last rank's
        before = full(bias.detach()).clone()
        weight.grad = distribute_tensor(values, mesh, [Shard(0)])
        bias.grad = distribute_tensor(torch.ones(6), mesh, [Shard(0)])
        optimizer.step()
        if not torch.equal(full(bias.detach()), before):
            faults.append(f"{made.__name__} is not skipped")
        optimizer = made({"weight": weight, "bias": bias}.items(), nonfinite="raise")
        with pytest.raises(ld.NonFiniteError, match="'weight' hold NaN"):
            optimizer.step()
    return faults


def left_out(device, mesh, patch):
    """Parameters without a gradient on one process, or on all, stay as they are."""
    model, optimizer = trained(ldt.AdamW, lambda model: sharded_ranks.by_rows(model, mesh))
    before = whole(model)
    first, second, *others = model.parameters()
    first.grad = None
    if mesh.get_rank() == 0:
        second.grad = None
    optimizer.step()
    after = whole(model)
    faults = [] if torch.equal(before[0], after[0]) else ["one without a gradient has moved"]
    moved = [not torch.equal(a, b) for a, b in zip(before[2:], after[2:], strict=True)]
    if not all(moved):
        faults.append("one with a gradient has not moved")
    steps = [float(optimizer.state[p]["step"]) for p in (first, second, others[0])]
    return faults + ([] if steps == [2.0, 3.0 - (mesh.get_rank() == 0), 3.0] else [str(steps)])


def resumed(device, mesh, patch):
    """Training continues bitwise from a state dict, and averages are those of whole tensors."""

    def shard(model):
        return sharded_ranks.by_rows(model, mesh)

    model, optimizer = trained(ldt.ScheduleFreeAdamW, shard)
    again = shard(sharded_ranks.network(torch.float32))
    with torch.no_grad():
        for p, q in zip(again.parameters(), model.parameters(), strict=True):
            p.copy_(q)
            p.grad = q.grad.clone()
    other = ldt.ScheduleFreeAdamW(again.parameters())
    other.load_state_dict(optimizer.state_dict())
    found = []
    for trained_model, own in ((model, optimizer), (again, other)):
        own.step()
        averages = own.evaluation_parameters()
        found.append([*whole(trained_model), *map(full, averages.values())])
    _, judge = trained(ldt.ScheduleFreeAdamW, steps=2)
    judge.step()
    pairs = zip(found[0][5:], judge.evaluation_parameters().values(), strict=True)
    faults = [] if all(torch.equal(a, b.detach()) for a, b in pairs) else ["averages differ"]
    is_same = all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    return faults + ([] if is_same else ["it does not continue"])


def narrow(device, mesh, patch):
    """Functions of matrices of narrow parts, whose noise is that of whole tensors."""
    faults = []
    cls = ldt.optimizer_class(learners.muon)
    for arguments in ({"rounding": "stochastic"}, {"master": "split16"}, {"master": "float32"}):
        ends = [
            trained(
                lambda given, own=arguments: cls(given, **own),
                shard,
                dtype=torch.bfloat16,
                network=sharded_ranks.matrices,
            )[0]
            for shard in (None, lambda model: sharded_ranks.by_rows(model, mesh))
        ]
        for p, q in zip(whole(ends[0]), whole(ends[1]), strict=True):
            # One in the last of the 8 bits, where sums of norms round to the other side.
            if (p - q).abs().max() > 2**-7 * p.abs().max():
                faults.append(f"{arguments} differ")
    return faults


def train_on_gpus(rank, folder):
    """Train parts on the GPU of this process; raise unless they follow whole tensors on the CPU."""
    torch.cuda.set_device(rank)
    store = f"file://{folder}/store"
    distributed.init_process_group("nccl", init_method=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cuda", (2,))
    for rule in (learners.adamw, CLIPPED, learners.adafactor, learners.muon_with_adamw):
        alone = sharded_ranks.network()
        parts = sharded_ranks.by_rows(sharded_ranks.network().cuda(), mesh)
        cls = ldt.optimizer_class(rule)
        optimizers = [cls(model.parameters(), lr=0.01) for model in (alone, parts)]
        for batch in batches(4):
            backward(alone, batch)
            for p, q in zip(alone.parameters(), parts.parameters(), strict=True):
                q.grad = sharded_ranks.divided(p.grad.cuda(), q)
            for optimizer in optimizers:
                optimizer.step()
        for p, q in zip(whole(alone), whole(parts), strict=True):
            torch.testing.assert_close(q.cpu(), p, rtol=1e-10, atol=1e-12)
    distributed.destroy_process_group()
