"""The oracle: evaluates a Rule array by array, over any array namespace.

It reads the same symbols as the compiler and shares no code with it, so it can judge it. It works
on NumPy; `jax.numpy` and `torch` have the same functions. Arrays go in, new arrays come out, and
nothing is changed in place.
"""

from learnerdsl.interpret.philox import philox as philox
from learnerdsl.interpret.update import evaluation_parameters as evaluation_parameters
from learnerdsl.interpret.update import initial_states as initial_states
from learnerdsl.interpret.update import interpret as interpret
