"""The first slots of every row of scalars.

A model row begins with the clock (`learnerdsl.expr.CLOCK`), a tensor row with the size and the
number of the tensor. The scalars of a rule follow them, as `learnerdsl.layout` defines.
"""

STEP, SAMPLES, MINIBATCH_SIZE, MODEL_SIZE, SEED = range(5)
"""Slots of a model row, float64."""

TENSOR_SIZE, TENSOR_NUMBER = range(2)
"""Slots of a tensor row, float64."""
