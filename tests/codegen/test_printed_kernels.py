"""The whole text of a kernel for each structure that rules have, and for each target."""

import pytest
from support.rules import clipped_adamw_ema, largest_gradients, my_rmsprop

import learnerdsl as ld
from learnerdsl import learners, transforms


@ld.rule
def in_blocks(p, g, lr=0.1):
    """A sum whose order is that of blocks of four."""
    return ld.assign(p, p - lr * g / (1 + ld.sum(g**2, block=4)))


VECTOR, MATRIX, THREE_AXES = {"shape": (64,)}, {"shape": (64, 64)}, {"shape": (8, 16, 32)}
IN_16_BITS = {"dtype": "bfloat16", "states": "bfloat16", "rounding": "stochastic"}
IN_8_BITS = {"states": {"m": "int8", "v": "uint8"}}
IN_TWO_ARRAYS = {"dtype": "bfloat16", "master": "split16"}
STRUCTURES = {
    "no_state": (learners.sgd, VECTOR),
    "elements": (learners.adam, VECTOR),
    "float64": (my_rmsprop, {"dtype": "float64"}),
    "narrow_arrays": (learners.adam, {**VECTOR, **IN_16_BITS}),
    "blocks_with_scales": (learners.adam, {**VECTOR, **IN_8_BITS}),
    "weights_in_two_arrays": (learners.lion, {**VECTOR, **IN_TWO_ARRAYS}),
    "conditions_of_elements": (learners.rprop, VECTOR),
    "conditions_of_scalars": (learners.radam, VECTOR),
    "sums_of_tensors": (learners.lamb, VECTOR),
    "states_of_tensors": (learners.novograd, VECTOR),
    "sums_of_the_model": (clipped_adamw_ema, VECTOR),
    "states_of_the_model": (learners.prodigy, VECTOR),
    "maxima": (largest_gradients, VECTOR),
    "sums_in_blocks": (in_blocks, VECTOR),
    "rows_and_columns": (learners.adafactor, MATRIX),
    "rows_of_three_axes": (learners.adafactor, THREE_AXES),
    "parts_of_rows": (learners.adam_mini, MATRIX),
    "maxima_of_axes": (learners.sm3, MATRIX),
    "variant_for_vectors": (learners.came, VECTOR),
    "ring": (learners.adashift, VECTOR),
    "random_numbers": (learners.noisy_sgd, VECTOR),
    "functions_of_matrices": (learners.muon, MATRIX),
    "states_of_matrices": (learners.soap, MATRIX),
    "the_loss": (learners.polyak_sgd, VECTOR),
    "array_beside_the_gradient": (learners.sophia, VECTOR),
    "chain": (
        ld.chain(
            *(transforms.clip_by_global_norm, learners.adamw, transforms.ema), name="clipped_ema"
        ),
        VECTOR,
    ),
    "chain_that_holds_back": (ld.chain(transforms.accumulate, learners.adam), VECTOR),
    "chain_after_sums": (ld.chain(learners.lamb, transforms.lookahead), VECTOR),
}
CASES = [(name, target) for name in STRUCTURES for target in ("cpu", "cuda")]
# Functions for JAX are the same for all dtypes and storages.
STORED = {"float64", "narrow_arrays", "blocks_with_scales", "weights_in_two_arrays"}
CASES += [(name, "jax") for name in STRUCTURES if name not in STORED]


@pytest.mark.parametrize(("structure", "target"), CASES, ids=map(".".join, CASES))
def test_the_kernel_of_a_structure_is_the_golden_file(structure, target, golden):
    rule, how = STRUCTURES[structure]
    golden(rule.source(target, **how))
