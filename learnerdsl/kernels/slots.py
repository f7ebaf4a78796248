"""Names of the slots with which every row of scalars begins.

A model row begins with the clock (`learnerdsl.expr.CLOCK`), a tensor row with the size and the
number of the tensor. What a rule adds comes after them, where `learnerdsl.layout` puts it.
"""

STEP, SAMPLES, MINIBATCH_SIZE, MODEL_SIZE, SEED = range(5)
"""Slots of a model row, float64."""

TENSOR_SIZE, TENSOR_NUMBER = range(2)
"""Slots of a tensor row, float64."""
