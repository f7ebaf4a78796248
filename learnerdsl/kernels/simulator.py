"""The choice between a device and Numba's simulator for CUDA kernels."""

from typing import Any

from numba.core import config

_settings: Any = config
SIMULATED = bool(_settings.ENABLE_CUDASIM)
"""Whether kernels run in Numba's CUDA simulator (NUMBA_ENABLE_CUDASIM=1)."""
