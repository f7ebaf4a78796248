"""What a chain, a transform and a renaming refuse, and what they say to write instead."""

import numpy as np
import pytest
from support.mistakes import FOREIGN

import learnerdsl as ld
from learnerdsl.learners import adam, adamw, sgd
from learnerdsl.transforms import accumulate, clip_by_global_norm, decoupled_weight_decay, ema


@ld.transform
def plain(p, g, share=0.5):
    return share * g


def refused(action, *parts, error=ld.RuleError):
    with pytest.raises(error) as caught:
        action()
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message


def trace_of(function, **options):
    """Trace a chain with a transform made of `function` before sgd."""
    return ld.chain(ld.transform(function), sgd).trace(**options)


# Members


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ((), "no rule"),
        ((plain, ema), "no rule"),
        ((adam, sgd), "2 rules, adam and sgd"),
        ((adam, plain, adam), "2 rules, adam and adam"),
        ((ld.chain(plain, adam), sgd), "2 rules, adam and sgd"),
    ],
)
def test_a_chain_holds_exactly_one_rule(members, found):
    refused(
        lambda: ld.chain(*members, name="mine"), f"Chain mine holds {found}", "exactly one rule"
    )


@pytest.mark.parametrize("member", [lambda p, g: g, adam.trace(), "adam", None])
def test_a_member_is_a_rule_or_a_transform(member):
    refused(
        lambda: ld.chain(member, sgd),
        "A chain needs rules and transforms, got",
        "@learnerdsl.transform above a function of (p, g, ...)",
    )


@pytest.mark.parametrize("name", ["1a", "for", "a b", "", 3])
def test_a_chain_needs_an_identifier_for_a_name(name):
    refused(lambda: ld.chain(plain, sgd, name=name), "needs a Python identifier", repr(name))


def test_a_transform_on_the_wrong_side_is_refused():
    refused(
        lambda: ld.chain(ema, sgd),
        "ema maps the new parameter, so it stands after the rule sgd",
        "chain(..., sgd, ema, ...)",
    )
    refused(
        lambda: ld.chain(sgd, clip_by_global_norm),
        "clip_by_global_norm maps the gradient, so it stands before the rule sgd",
        "chain(..., clip_by_global_norm, sgd, ...)",
    )


def test_a_transform_of_the_gradient_of_the_rule_stands_after_it():
    @ld.transform
    def three(p, new, g):
        return new - g

    refused(lambda: ld.chain(three, sgd), "three maps the new parameter", "after the rule sgd")


def test_a_transform_cannot_be_called():
    for call in (lambda: plain([np.ones(2)]), lambda: plain(), lambda: plain(share=0.1)):
        refused(
            call, "plain is a transform", "into a chain with a rule: chain(plain, adam)(params)"
        )
    refused(lambda: ema([np.ones(2)]), "chain(adam, ema)(params)")


# Functions that are no transforms


def test_a_transform_starts_with_the_parameter_and_what_it_maps():
    for function in (_one, _default):
        name = function.__name__
        refused(lambda f=function: ld.transform(f), f"Transform {name} must start", "(p, new, g, ")


def _one(p):
    return p


def _default(p, g=1.0):
    return g


def test_further_arguments_of_a_transform_have_usable_defaults():
    def four(p, new, g, share):
        return new

    def listed(p, g, share=("a", "b")):
        return g

    def taken(p, g, seed=1.0):
        return g

    refused(lambda: ld.transform(four), "'share' of four needs a default")
    refused(lambda: ld.transform(listed), "'share' of listed needs a default")
    refused(lambda: ld.transform(taken), "'seed' of taken has the name of an argument of every")
    refused(lambda: ld.transform(lambda p, g: g), "lambda", "write it as a function with def")


def test_the_place_of_a_transform_is_known():
    def three(p, new, g):
        return new

    refused(lambda: ld.transform(place="left")(_one), "got 'left'", "'before', 'after' or 'any'")
    refused(lambda: ld.transform(place="before")(three), "(p, new, g)", "place='before'")


@pytest.mark.parametrize("result", [None, "g", True])
def test_a_transform_returns_an_expression(result):
    def wrong(p, g):
        return result

    refused(lambda: trace_of(wrong), "wrong must return the new gradient", repr(result))
    after = ld.chain(sgd, ld.transform(wrong))
    refused(after.trace, "wrong must return the new parameter", repr(result))


def test_a_transform_assigns_only_its_own_states():
    def assigning(p, g):
        return ld.assign(p, p - g)

    def to_gradient(p, g):
        return ld.assign(g, 2 * g)

    refused(lambda: trace_of(assigning), "assigning assigns p", "returns the new gradient")
    refused(lambda: trace_of(to_gradient), "cannot assign to g", "it is the gradient")


def test_a_transform_assigns_its_states():
    def forgetting(p, g):
        return g + ld.state("a")

    refused(lambda: trace_of(forgetting), "never assigns the state a")


def test_foreign_symbols_are_refused():
    def foreign(p, g):
        return g + FOREIGN["state"]

    refused(lambda: trace_of(foreign), "belongs to rule donor")


def test_numpy_functions_are_refused_with_a_hint():
    def numeric(p, g):
        return np.sqrt(g)

    refused(lambda: trace_of(numeric), "write learnerdsl.sqrt")


def test_errors_of_a_function_are_its_own():
    def broken(p, g):
        return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        trace_of(broken)


def test_a_rule_that_never_assigns_the_parameter_is_refused_before_a_transform_too():
    @ld.rule
    def idle(p, g):
        a = ld.state("a")
        return ld.assign(a, g)

    for chain in (ld.chain(idle), ld.chain(idle, plain)):
        refused(chain.trace, "idle never assigns p, so it would not learn")


def test_a_rule_returns_its_assigns_in_a_chain_too():
    @ld.rule
    def losing(p, g):
        a = ld.state("a")
        ld.assign(a, g)
        return ld.assign(p, p - g)

    refused(
        ld.chain(plain, losing, ema).trace,
        "Rule losing returns nothing that depends on the new value of a",
    )


# Names


def test_arguments_of_one_name_are_refused_with_both_members():
    @ld.transform
    def decay(p, g, weight_decay=0.1):
        return g + weight_decay * p

    refused(
        lambda: ld.chain(decay, adamw),
        "'weight_decay' is a name of decay and of an argument of adamw in chain decay_adamw",
        'renamed(adamw, weight_decay="adamw_weight_decay")',
    )
    refused(
        lambda: ld.chain(plain, plain, adamw),
        "'share' is a name of plain and of an argument of plain",
        'renamed(plain, share="share_2")',
    )
    ld.chain(ld.renamed(decay, weight_decay="l2"), adamw).trace()


def test_states_of_one_name_are_refused_with_both_members():
    @ld.transform
    def averaged(p, g):
        m = ld.state("m")
        return ld.assign(m, (m + g) / 2)

    refused(
        ld.chain(averaged, adam).trace,
        "'m' is a name of averaged and of a state of adam in chain averaged_adam",
        'renamed(adam, m="adam_m")',
    )
    ld.chain(ld.renamed(averaged, m="mean"), adam).trace()


def test_a_state_called_like_an_argument_of_another_member_is_refused():
    @ld.transform
    def named(p, g):
        lr = ld.state("lr")
        return ld.assign(lr, (lr + g) / 2)

    refused(ld.chain(named, sgd).trace, "'lr' is a name of sgd and of a state of named")


def test_an_argument_called_like_the_parameter_is_refused():
    @ld.transform
    def named(x, y, p=0.5):
        return p * y

    refused(
        lambda: ld.chain(named, sgd), "'p' of named has the name of the parameter", "renamed(named"
    )


def test_a_name_may_not_be_used_twice_within_a_member():
    def twice(p, g):
        return ld.let("a", ld.let("a", g))

    refused(lambda: trace_of(twice), "'a' is used twice")


@pytest.mark.parametrize("name", [None, "1a", 3])
def test_states_of_a_transform_need_identifiers(name):
    def unnamed(p, g):
        return g + ld.state(name)

    refused(lambda: trace_of(unnamed), "state needs a Python identifier", repr(name))


def test_a_shared_argument_that_nobody_has_is_refused():
    @ld.rule
    def fixed(p, g, eta=0.1):
        return ld.assign(p, p - eta * g)

    refused(
        lambda: ld.chain(fixed, decoupled_weight_decay),
        "decoupled_weight_decay uses the argument 'lr' of another member",
        "its arguments are: eta, decoupled_decay",
        'renamed(decoupled_weight_decay, lr="...")',
    )
    ld.chain(fixed, ld.renamed(decoupled_weight_decay, lr="eta")).trace()


@pytest.mark.parametrize("new", ["1a", "for", "", 3, None])
def test_a_new_name_is_an_identifier(new):
    refused(lambda: ld.renamed(ema, decay=new), "decay=", repr(new), "Python identifier")


@pytest.mark.parametrize("new", ["params", "backend", "groups", "nonfinite", "seed", "shape"])
def test_a_new_name_is_none_that_every_learner_has(new):
    refused(lambda: ld.renamed(ema, decay=new), f"decay={new!r}", "every learner")


def test_a_name_that_does_not_exist_cannot_be_changed():
    refused(
        ld.chain(adam, ld.renamed(ema, decoy="beta")).trace,
        "ema has no argument or state 'decoy'",
        "it has: average, decay",
        error=ld.UnknownNameError,
    )


def test_a_chain_of_several_members_cannot_be_renamed():
    refused(lambda: ld.renamed(ld.chain(plain, adam), lr="eta"), "rename the members of plain_adam")
    refused(lambda: ld.renamed(adam.trace(), lr="eta"), "needs rules and transforms")


# only_when


def test_only_when_is_for_transforms_before_a_rule():
    def held(p, x):
        ld.only_when(ld.step > 3)
        return x

    @ld.rule
    def holding(p, g, lr=0.1):
        ld.only_when(ld.step > 3)
        return ld.assign(p, p - lr * g)

    parts = ("only_when(step > 3)", "before the rule of a chain", "write where(...)")
    refused(ld.chain(sgd, ld.transform(held)).trace, *parts)
    refused(holding.trace, *parts)
    refused(ld.chain(holding).trace, *parts)
    refused(lambda: ld.only_when(ld.step > 3), "only_when(...) was called outside a rule")


CONDITIONS = {
    "elements": lambda p, g: g > 0,
    "parameters": lambda p, g: p > ld.step,
    "tensors": lambda p, g: ld.norm(g) > 1,
    "sizes": lambda p, g: ld.size(p) > 10,
    "states": lambda p, g: ld.assign(ld.state("a", shape="tensor"), ld.sum(g)) > 0,
    "random": lambda p, g: ld.uniform() > 0.5,
    "values": lambda p, g: ld.let("a", 2 * g) > 0,
}


@pytest.mark.parametrize("what", CONDITIONS)
def test_a_condition_that_differs_within_the_model_is_refused(what):
    def held(p, g):
        ld.only_when(CONDITIONS[what](p, g))
        return g

    refused(lambda: trace_of(held), "differs between elements or tensors", 'over="model"')


@pytest.mark.parametrize("condition", [2, "step > 3", ld.step, None])
def test_a_condition_is_a_comparison(condition):
    def held(p, g):
        ld.only_when(condition)
        return g

    refused(lambda: trace_of(held), "is not a condition; write a comparison")


def test_a_condition_that_never_holds_is_refused():
    def held(p, g):
        ld.only_when(False)
        return g

    refused(lambda: trace_of(held), "only_when(False) never holds")


def test_a_counter_of_one_name_is_refused():
    other = ld.renamed(accumulate, k="j", accumulated="outer")
    refused(
        ld.chain(accumulate, other, sgd).trace,
        "'accumulate_updates' is a name of accumulate and of a state of accumulate",
    )


@ld.rule
def remembering(p, g, lr=1.0):
    past = ld.state("past", ring=2)
    return ld.combine([ld.assign(past, g), ld.assign(p, p - lr * (g + past[2]))])


def test_a_ring_cannot_be_held_back():
    refused(
        ld.chain(accumulate, remembering).trace,
        "Chain accumulate_remembering holds back the ring of past_2",
        "in separate states instead",
    )


def test_a_ring_that_is_not_held_back_keeps_the_gradients_that_the_rule_got():
    weights = np.zeros(1)
    learner = ld.chain(plain, remembering, ema)([weights], share=2.0)
    for gradient in (1.0, 10.0, 100.0):
        learner.update([np.array([gradient])])
    assert weights[0] == -(2 + 20 + 200 + 2)
