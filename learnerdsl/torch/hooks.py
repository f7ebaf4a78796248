"""Run the hooks of a step, and show it to a profiler, where there are any."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import profiler
from torch.optim.optimizer import _global_optimizer_post_hooks as _after
from torch.optim.optimizer import _global_optimizer_pre_hooks as _before

_profiler: Any = profiler


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return the step of an optimizer with what torch adds to it.

    torch's own wrapper begins a range for profilers in every step, which takes as long as a small
    update. Here it is called only if a profiler runs or there are hooks. As it marks its result,
    torch does not wrap it again, except a step that a user's class defines. That runs the hooks
    itself.
    """
    observed: Any = torch.optim.Optimizer.profile_hook_step(step)

    @functools.wraps(step)
    def wrapper(self: Any, *arguments: Any, **named: Any) -> Any:
        has_hooks = (
            self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or _before or _after
        )
        is_observed = has_hooks or getattr(_profiler, "_is_profiler_enabled", True)
        if is_observed and type(self).step is wrapper:
            return observed(self, *arguments, **named)
        return step(self, *arguments, **named)

    marked: Any = wrapper
    marked.hooked = True
    return wrapper
