"""The oracle: it evaluates a Rule on whole arrays, in any array namespace.

It reads the same symbols as the compiler but shares no code with it, so tests compare the two. It
works with NumPy, and with `jax.numpy` and `torch`, which have the same functions. It returns new
arrays and changes none in place.

`jax.jit` can trace it, with arrays, hyperparameters, extras and the clock as arguments. Scalars are
in float64, so the traced function must call it within `jax.enable_x64(True)`. A namespace that
lacks a function (`erf` in `jax.numpy`) can be given with it added.
"""

from learnerdsl.interpret.philox import philox as philox
from learnerdsl.interpret.update import evaluation_parameters as evaluation_parameters
from learnerdsl.interpret.update import initial_states as initial_states
from learnerdsl.interpret.update import interpret as interpret
