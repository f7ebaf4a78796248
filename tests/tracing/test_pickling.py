"""Rules, transforms and chains in pickles: by name, as functions are."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import learners, transforms
from learnerdsl.learners import adam, adamw, sgd
from learnerdsl.transforms import clip_by_global_norm, ema

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ROOT = Path(ld.__file__).parents[1]


@ld.rule(version=3)
def plain_rule(p, g, lr=0.5, nesterov=False):
    """A rule at the top level of a module."""
    return ld.assign(p, p - lr * g)


@ld.transform(place="before")
def halve(p, g, share=0.5):
    """A transform at the top level of a module."""
    return share * g


def undecorated(p, g, lr=0.25):
    return ld.assign(p, p - lr * g)


made_by_hand = ld.rule(version=2)(undecorated)


def again(thing, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(thing, protocol))


def trained(rule, **arguments):
    weights = np.linspace(1, 2, 6).reshape(2, 3)
    learner = rule([weights], **arguments)
    for step in range(3):
        learner.update([np.full((2, 3), 0.5 + step)])
    return weights.tolist()


@pytest.mark.parametrize("name", learners.__all__)
def test_a_builtin_rule_is_itself_after_pickling(name):
    rule = getattr(learners, name)
    assert again(rule) is rule


@pytest.mark.parametrize("name", transforms.__all__)
def test_a_builtin_transform_is_itself_after_pickling(name):
    transform = getattr(transforms, name)
    assert again(transform) is transform


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("thing", [plain_rule, halve, adam, ema], ids=lambda t: t.name)
def test_what_a_module_defines_is_itself_after_pickling(thing, protocol):
    assert again(thing, protocol) is thing


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_rule_under_another_name_than_its_function_is_made_again(protocol):
    rule = again(made_by_hand, protocol)
    assert (rule.name, rule.version) == ("undecorated", 2)
    assert trained(rule) == trained(made_by_hand)
    assert trained(again(rule, protocol)) == trained(made_by_hand)


CHAINS = {
    "builtins": ld.chain(clip_by_global_norm, adam),
    "own": ld.chain(halve, plain_rule, name="short"),
    "renamed": ld.chain(halve, ld.renamed(halve, share="other"), adamw, ema),
    "renamed rule": ld.renamed(sgd, lr="rate"),
    "by hand": ld.chain(halve, made_by_hand),
    "nested": ld.chain(halve, ld.chain(clip_by_global_norm, adam, name="inner"), ema),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", CHAINS)
def test_a_chain_pickles_as_its_members_and_name(case, protocol):
    chain = CHAINS[case]
    restored = again(chain, protocol)
    assert restored.name == chain.name
    assert restored.version == chain.version
    assert repr(restored) == repr(chain)
    assert restored.source() == chain.source()
    assert trained(restored) == trained(chain)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_renamed_transform_keeps_its_names(protocol):
    renamed = ld.renamed(halve, share="other")
    restored = again(renamed, protocol)
    assert restored.hyperparameters == {"other": 0.5}
    assert repr(restored) == repr(renamed)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize(
    "thing", [plain_rule, halve, adam, ema, *CHAINS.values()], ids=lambda t: t.name
)
def test_a_copy_of_a_rule_is_the_rule(thing, copied):
    assert copied(thing) is thing
    assert copied({"rule": thing})["rule"] is thing


@pytest.mark.parametrize(
    "rule", [adam, CHAINS["renamed"], learners.adafactor], ids=lambda r: r.name
)
def test_traced_rules_and_programs_pickle(rule):
    traced = rule.trace(shape=(2, 3))
    assert again(traced) == traced
    program = rule.program(shape=(2, 3))
    assert again(program).source == program.source
    assert trained(lambda p: ld.Learner(again(traced), p)) == trained(rule)


def test_a_schedule_pickles():
    schedule = ld.schedules.cosine(1e-3, steps=100)
    assert [again(schedule)(k) for k in (1, 50, 100)] == [schedule(k) for k in (1, 50, 100)]
    assert trained(adam, lr=again(schedule)) == trained(adam, lr=schedule)


# What has no name to be found by


def local_things():
    """A rule and a transform that no module has."""
    rate = 0.125

    @ld.rule
    def local_rule(p, g, lr=0.5):
        return ld.assign(p, p - rate * lr * g)

    @ld.transform
    def local_transform(p, g):
        return rate * g

    return {
        "rule": local_rule,
        "transform": local_transform,
        "chain": ld.chain(local_transform, local_rule),
        "renamed": ld.renamed(local_rule, lr="rate"),
    }


@pytest.mark.parametrize("kind", local_things())
def test_what_a_function_defines_is_refused_with_a_sentence(kind):
    thing = local_things()[kind]
    with pytest.raises(ld.PicklingError, match="top level of a module") as caught:
        pickle.dumps(thing)
    assert isinstance(caught.value, ld.LearnerError)
    assert isinstance(caught.value, pickle.PicklingError)
    assert "local_things.<locals>.local_" in str(caught.value)
    assert "is not there" in str(caught.value)


@pytest.mark.parametrize("kind", local_things())
def test_what_a_function_defines_can_be_copied(kind):
    thing = local_things()[kind]
    assert copy.copy(thing) is thing
    assert copy.deepcopy(thing) is thing


def test_a_rule_whose_name_is_taken_by_another_is_refused(monkeypatch):
    first = plain_rule
    monkeypatch.setattr(sys.modules[__name__], "plain_rule", adam)
    with pytest.raises(ld.PicklingError, match="plain_rule is something else"):
        pickle.dumps(first)


@pytest.mark.parametrize("kind", ["rule", "chain", "renamed"])
def test_picklers_that_take_functions_by_value_need_no_names(kind):
    cloudpickle = pytest.importorskip("cloudpickle")
    rule = local_things()[kind]
    restored = pickle.loads(cloudpickle.dumps(rule))
    assert trained(restored) == trained(rule)
    assert trained(pickle.loads(cloudpickle.dumps(restored))) == trained(rule)


# Other processes

SPAWNED = """
import multiprocessing
import sys
import numpy as np
import learnerdsl as ld
from learnerdsl.learners import adam
from learnerdsl.transforms import clip_by_global_norm

@ld.rule
def own(p, g, lr=0.5):
    return ld.assign(p, p - lr * g)

@ld.transform
def halve(p, g, share=0.5):
    return share * g

def train(rule):
    weights = np.ones(1000)
    learner = rule([weights])
    for _ in range(3):
        learner.update([np.full(1000, 0.25)])
    return weights.tolist()

RULES = [adam, own, ld.chain(clip_by_global_norm, adam), ld.chain(halve, own),
         ld.renamed(own, lr="rate"), own.trace()]

def train_traced(rule):
    return train(rule if not isinstance(rule, ld.Rule) else lambda p: ld.Learner(rule, p))

if __name__ == "__main__":
    here = [train_traced(rule) for rule in RULES]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map_async(train_traced, RULES).get(timeout=120) == here
    print("the same")
"""


@pytest.mark.parametrize("method", [slow("spawn"), "forkserver", "fork"])
def test_rules_are_arguments_of_other_processes(method, tmp_path):
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("Windows can only spawn")
    script = tmp_path / "script.py"
    script.write_text(SPAWNED)
    found = subprocess.run(
        [sys.executable, str(script), method],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert found.stdout == "the same\n", found.stderr


def test_a_rule_of_a_script_reaches_a_process_without_it_by_value(tmp_path):
    pytest.importorskip("cloudpickle")
    target = tmp_path / "rules"
    script = (
        "import cloudpickle, sys, learnerdsl as ld\n"
        "@ld.rule\n"
        "def own(p, g, lr=0.5):\n"
        "    return ld.assign(p, p - lr * g)\n"
        "open(sys.argv[1], 'wb').write(cloudpickle.dumps([own, ld.renamed(own, lr='rate')]))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(target)], cwd=ROOT, check=True)
    own, renamed = pickle.loads(target.read_bytes())
    assert trained(own, lr=0.25) == trained(renamed, rate=0.25)
