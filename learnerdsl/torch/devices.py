"""Parameters on a GPU: which can be updated there, and what optimizers do not do there."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from learnerdsl.errors import ArrayError
from learnerdsl.runtime.arrays.interop import as_tensor, is_on_device
from learnerdsl.torch.ranks import local_of

_torch: Any = torch


def is_on_gpu(tensor: torch.Tensor) -> bool:
    """Return whether the memory of a tensor, or of its part here, is that of an NVIDIA GPU."""
    return is_on_device(local_of(tensor)) and not _torch.version.hip


def refuse_device(parameter: torch.Tensor, what: str) -> None:
    """Raise unless a parameter is in memory that these optimizers can update."""
    if is_on_gpu(parameter):
        return
    is_of_amd = is_on_device(local_of(parameter))
    if is_of_amd or parameter.device.type != "cpu":
        maker = ", of AMD" if is_of_amd else ""
        msg = (
            f"{what} is on the device {parameter.device}{maker}, but these optimizers work on the "
            "CPU and on NVIDIA GPUs; make the optimizer of parameters that are there."
        )
        raise ArrayError(msg)


def refuse_several_devices(name: str, groups: Sequence[Mapping[str, Any]]) -> None:
    """Raise unless all parameters are on one GPU, or all are on the host.

    Args:
        name: name of the class.
        groups: the groups of an optimizer.
    """
    devices = {p.device if is_on_gpu(p) else None for group in groups for p in group["params"]}
    if len(devices) > 1:
        listed = " and ".join(sorted("the CPU" if d is None else str(d) for d in devices))
        msg = (
            f"Parameters of {name} are on {listed}, but an optimizer updates those of one device; "
            "move the whole model there before, or make an optimizer for each device: "
            f"{name}([p for p in model.parameters() if p.device == device])."
        )
        raise ArrayError(msg)


def is_capturing() -> bool:
    """Return whether a CUDA graph is being captured on the current stream of torch."""
    return torch.cuda.is_current_stream_capturing()


def states_of(engine: Any) -> dict[str, list[Any]]:
    """Return the states of an engine as tensors: name -> one for each parameter, or None.

    They are in the memory that updates use.
    """
    if hasattr(engine, "owned_states"):
        return engine.owned_states()
    return {
        name: [None if array is None else as_tensor(array) for array in arrays]
        for name, arrays in engine.states.items()
    }


def divide(gradients: Sequence[torch.Tensor], scale: Any) -> None:
    """Divide gradients by a number, in place; dense ones on a GPU in one launch."""
    dense = [g for g in gradients if g.layout == torch.strided and is_on_gpu(g)]
    if dense:
        _torch._foreach_div_(list(map(local_of, dense)), scale)
    known = set(map(id, dense))
    for gradient in gradients:
        if id(gradient) not in known:
            gradient.div_(scale)
