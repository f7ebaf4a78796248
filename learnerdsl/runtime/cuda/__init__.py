"""The CUDA backend: what generated kernels import, the device, and the engine of a learner."""

from typing import Any

from numba.core import config

_settings: Any = config
SIMULATED = bool(_settings.ENABLE_CUDASIM)
"""Whether kernels run in Numba's CUDA simulator (NUMBA_ENABLE_CUDASIM=1)."""
