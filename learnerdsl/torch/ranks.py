"""Take DTensors apart: what part of a tensor this process holds, and who holds the others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.utils.weak import WeakTensorKeyDictionary

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.runtime.shards import Box, Shard, shape_of_box
from learnerdsl.storage import STORAGES

_distributed: Any = distributed
# PyTorch 2.13 has another name for it, and warns of the old one.
_gather: Any = getattr(
    distributed, "all_gather_single", getattr(distributed, "all_gather_into_tensor", None)
)


def is_distributed(tensor: Any) -> bool:
    """Return whether a tensor is a DTensor, of which this process holds a part."""
    return hasattr(tensor, "device_mesh")


def local_of(tensor: Any) -> Any:
    """Return the elements of a tensor that this process holds, in their memory."""
    return tensor._local_tensor if is_distributed(tensor) else tensor


def like(tensor: Any, local: torch.Tensor) -> Any:
    """Return the DTensor of which this process holds `local`, divided as `tensor` is."""
    return _distributed.tensor.DTensor.from_local(
        local,
        tensor.device_mesh,
        tensor.placements,
        run_check=False,
        shape=tensor.shape,
        stride=tensor.stride(),
    )


def divided_as(tensor: Any, given: Any) -> Any:
    """Return what this process holds of `given`, divided as `tensor` is; whole for a plain one."""
    if not is_distributed(tensor):
        return given.full_tensor() if is_distributed(given) else given
    if not is_distributed(given):
        # An array of another shape is for the checks of the learner to refuse.
        return given[box_of(tensor)] if given.shape == tensor.shape else given
    if given.placements != tensor.placements or given.device_mesh != tensor.device_mesh:
        return given.full_tensor()[box_of(tensor)].contiguous()
    local = given._local_tensor
    # Others wait for an exchange that is not finished.
    return local if type(local) is torch.Tensor else given.to_local()


def box_of(tensor: Any) -> Box:
    """Return the part of a DTensor that this process holds."""
    place_of = _distributed.tensor._utils.compute_local_shape_and_global_offset
    _, first = place_of(tensor.shape, tensor.device_mesh, tensor.placements)
    sizes = zip(first, tensor.shape, local_of(tensor).shape, strict=True)
    return tuple(slice(min(f, n), min(f, n) + own) for f, n, own in sizes)


def refuse_blocks(states: str | Mapping[str, str] | None) -> None:
    """Raise if states are kept in 8 bits, whose blocks would cross the borders of parts."""
    kinds = {states} if isinstance(states, str) else set((states or {}).values())
    narrow = sorted(kind for kind in kinds if STORAGES[kind].block)
    if narrow:
        msg = (
            f"states={narrow[0]!r} needs blocks of elements that would cross the borders of "
            'parts, so DTensors cannot have such states; write states="bfloat16".'
        )
        raise DtypeError(msg)


def write(own: Any, values: Any) -> None:
    """Copy values of the same shape into a tensor; either may be divided among ranks."""
    local_of(own).copy_(divided_as(own, values))


class RankTeam:
    """The ranks of a process group that hold the parts of a tensor; see `runtime.shards.Team`.

    Args:
        group: the process group.
        device: the device that its collectives work on.
    """

    def __init__(self, group: Any, device: torch.device) -> None:
        self.group = group
        self.device = device
        self.size: int = _distributed.get_world_size(group)
        self.number: int = _distributed.get_rank(group)

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Return the values of all ranks (ranks, n)."""
        own = torch.from_numpy(values).to(self.device)
        found = own.new_empty(self.size * len(values))
        self.gather_on_device(found, own)
        return found.cpu().numpy().reshape(self.size, len(values))

    def gather_on_device(self, target: Any, values: Any) -> None:
        """Write the values of all ranks, in their order, into another tensor; see `Team`."""
        _gather(target, values, group=self.group)

    def exchange(self, values: np.ndarray, sent: Sequence[int], got: Sequence[int]) -> np.ndarray:
        """Send other values to each rank, and return what the ranks sent here."""
        there = torch.from_numpy(values).to(self.device)
        here = there.new_empty(sum(got))
        _distributed.all_to_all_single(here, there, list(got), list(sent), group=self.group)
        return here.cpu().numpy()


class Shards:
    """Finds what part of each parameter this process holds.

    Parameters that are divided among the same ranks share a team. What is known of a parameter is
    kept, since all ranks have to ask for what is not.
    """

    def __init__(self) -> None:
        self._teams: dict[tuple[int, ...], RankTeam] = {}
        self._known: Any = WeakTensorKeyDictionary()

    def of(self, parameters: Sequence[Any], names: Sequence[Any]) -> list[Shard | None]:
        """Return the part of each parameter; None for whole ones.

        All ranks call this with the same parameters in the same order, if not all are known.

        Raises:
            ArrayError: a parameter is divided in a way that updates cannot follow.
        """
        pairs = zip(parameters, names, strict=True)
        new = [(p, name) for p, name in pairs if not self._is_known(p)]
        self._meet(new)
        return [self._known[p][1] if is_distributed(p) else None for p in parameters]

    def _is_known(self, parameter: Any) -> bool:
        """Return whether a parameter is divided as it was, or is whole."""
        if not is_distributed(parameter):
            return True
        return parameter in self._known and self._known[parameter][0] == _form_of(parameter)

    def _meet(self, named: Sequence[tuple[Any, Any]]) -> None:
        """Ask all ranks for their parts of these DTensors, which are given with their names."""
        teams = [self._team_of(p, name) for p, name in named]
        boxes: dict[int, list[list[Box]]] = {}
        for team in dict.fromkeys(team for team in teams if team is not None):
            own = [p for (p, _), t in zip(named, teams, strict=True) if t is team]
            boxes[id(team)] = _boxes_of_all(team, own)
        for (parameter, name), team in zip(named, teams, strict=True):
            shard = None
            if team is not None:
                parts = tuple(boxes[id(team)].pop(0))
                _refuse_misfit(parameter, parts, team, name)
                shard = Shard(team, tuple(parameter.shape), parts)
            self._known[parameter] = _form_of(parameter), shard

    def _team_of(self, parameter: Any, name: Any) -> RankTeam | None:
        """Return the ranks among which a parameter is divided; None if it is whole everywhere."""
        if not is_distributed(parameter):
            return None
        mesh = parameter.device_mesh
        if any(placement.is_partial() for placement in parameter.placements):
            msg = (
                f"Parameter {name!r} is a DTensor whose ranks hold summands ({parameter.placements}"
                "), but only replicated and sharded ones can be updated."
            )
            raise ArrayError(msg)
        if mesh.get_coordinate() is None:
            msg = f"Parameter {name!r} is a DTensor on a mesh that this rank does not belong to."
            raise ArrayError(msg)
        divided = [
            axis
            for axis, placement in enumerate(parameter.placements)
            if not placement.is_replicate() and mesh.size(axis) > 1
        ]
        if not divided:
            return None
        ranks = _ranks_along(mesh, divided)
        if ranks not in self._teams:
            device = local_of(parameter).device
            self._teams[ranks] = RankTeam(_group_of(mesh, divided, ranks), device)
        return self._teams[ranks]


def _form_of(parameter: Any) -> tuple[Any, ...]:
    """Return what the parts of a DTensor depend on."""
    local = local_of(parameter)
    return parameter.device_mesh, parameter.placements, parameter.shape, local.shape, local.device


def _ranks_along(mesh: Any, axes: Sequence[int]) -> tuple[int, ...]:
    """Return the ranks that differ from this one along some axes of a mesh."""
    here = mesh.get_coordinate()
    index = tuple(slice(None) if axis in axes else here[axis] for axis in range(mesh.ndim))
    return tuple(mesh.mesh[index].flatten().tolist())


_groups: dict[tuple[Any, ...], Any] = {}
"""Process groups of ranks along several axes of a mesh, which has none for them."""


def _group_of(mesh: Any, axes: Sequence[int], ranks: tuple[int, ...]) -> Any:
    """Return the process group of the ranks along some axes of a mesh."""
    if len(axes) == 1:
        return mesh.get_group(axes[0])
    key = (_distributed.group.WORLD, *ranks)
    if key not in _groups:
        _groups[key] = _distributed.new_group(ranks, use_local_synchronization=True)
    return _groups[key]


def _boxes_of_all(team: RankTeam, parameters: Sequence[Any]) -> list[list[Box]]:
    """Return, for each parameter, the part of every rank of a team."""
    own = [box_of(p) for p in parameters]
    bounds = [bound for box in own for part in box for bound in (part.start, part.stop)]
    rows = team.gather(np.array(bounds, np.int64))
    found: list[list[Box]] = []
    end = 0
    for p in parameters:
        of_ranks = rows[:, end : end + 2 * p.ndim].reshape(team.size, p.ndim, 2)
        found.append([tuple(slice(int(a), int(b)) for a, b in box) for box in of_ranks])
        end += 2 * p.ndim
    return found


def _refuse_misfit(parameter: Any, parts: Sequence[Box], team: RankTeam, name: Any) -> None:
    """Raise unless the parts of all ranks make the tensor, each element once."""
    sizes = [math.prod(shape_of_box(box)) for box in parts]
    fits = shape_of_box(parts[team.number]) == tuple(local_of(parameter).shape)
    if not fits or sum(sizes) != math.prod(parameter.shape):
        msg = (
            f"Parameter {name!r} of shape {tuple(parameter.shape)} is divided among ranks in a way "
            f"that is no block for each ({parameter.placements}); use sizes that divide evenly."
        )
        raise ArrayError(msg)
