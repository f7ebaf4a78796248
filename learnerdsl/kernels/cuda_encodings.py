"""Number types narrower than float32 in CUDA kernels; see `encodings`.

In Numba's CUDA simulator they are computed by NumPy, whose warnings kernels silence there: sums and
products of bits may overflow.
"""

from learnerdsl.kernels.bits import IN_PYTHON, compiled_conversions
from learnerdsl.kernels.cuda_compile import device
from learnerdsl.kernels.encodings import encoding_functions
from learnerdsl.kernels.simulator import SIMULATED

if SIMULATED:
    _conversions = IN_PYTHON
else:
    from numba.cuda.extending import intrinsic

    _conversions = compiled_conversions(intrinsic)

globals().update(encoding_functions(device, *_conversions))
float_of = _conversions[1]
