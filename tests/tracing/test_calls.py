"""Bad calls around rules: each is refused with a sentence, and none with an error of Python's."""

import functools

import numpy as np
import pytest
import sympy

import learnerdsl as ld


@ld.rule
def mom(p, g, lr=0.1):
    v = ld.state("v")
    return ld.assign(p, p - lr * ld.assign(v, v + g))


CALLS = [
    "ld.rule(3)",
    "ld.rule('f')",
    "ld.rule(2)(lambda p,g: 0)",
    "ld.rule(functools.partial(lambda p, g, a: ld.assign(p, g), a=1))",
    "mom.trace(shape=3)",
    "mom.trace(shape=('a',))",
    "mom.trace(shape=(-1,2))",
    "mom.trace(shape=None)",
    "mom.trace(nesterov=True)",
    "mom.ptx(cc=None)",
    "mom.ptx(cc='90')",
    "mom.program(dtype=['float32'])",
    "mom.program(dtype=None)",
    "mom.program(target=['cpu'])",
    "mom.source('metal')",
    "mom.trace().with_assignments([1])",
    "mom.trace().with_assignments(3)",
    "mom.trace().with_assignments([(1,2,3)])",
    "ld.Learner('adam', [np.ones(2)])",
    "ld.Learner(lambda s: 3, [np.ones(2)])",
    "ld.Learner(3, [np.ones(2)])",
    "ld.transform(None)(3)",
    "ld.transform('a')",
    "ld.transform(3)",
    "ld.transform(place='x')",
    "ld.chain(3)",
    "ld.chain()",
    "ld.chain('a', mom)",
    "ld.chain(mom, name=3)",
    "ld.chain(mom, name='a b')",
    "ld.renamed(3)",
    "ld.renamed(mom, lr=3)",
    "ld.renamed(mom, lr='a b')",
    "ld.rule(version=None)(mom.__wrapped__)([np.ones(2)]).state_dict()",
    "ld.rule(version='a')",
    "ld.rule(version=1.5)",
    "mom([np.ones(2)], backend=3)",
    "mom([np.ones(2)], backend=['cpu'])",
    "mom([np.ones(2)], nonfinite=None)",
    "mom([np.ones(2)], nonfinite=np.ones(2))",
    "mom([np.ones(2)], seed='a')",
    "mom([np.ones(2)], groups=3)",
    "mom([np.ones(2)], groups=[3])",
    "mom([np.ones(2)], groups={'params':[0]})",
    "mom.latex(a=1)",
    "mom.plan(dtype='f')",
    "mom.cost(dtype=3)",
    "ld.set_num_threads('a')",
    "ld.assign(3,4)",
    "ld.state('a')",
    "ld.combine(3)",
    "ld.Schedule(3)",
    "ld.Schedule('a')",
    "mom.loops(3)",
    "mom.stages(x=1)",
]

IN_A_RULE = [
    "ld.assign(p, p - ld.extra('loss', shape=['model']))",
    "ld.assign(p, p-ld.extra(3,'model'))",
    "ld.assign(p, ld.let('x',g,dtype=['a']))",
    "ld.assign(p, ld.sum(g, axis='a'))",
    "ld.assign(p, ld.sum(g, axis=[0]))",
    "ld.assign(p, ld.sum(g, over=['model']))",
    "ld.assign(p, ld.sum(g, block='a'))",
    "ld.assign(p, ld.state('s', shape=['rows'])+g)",
    "ld.assign(p, ld.state('s', shape=3)+g)",
    "ld.assign(p, ld.state('s', ring='a')[1])",
    "ld.assign(p, ld.state(3))",
    "ld.assign(p, ld.state('s', init='a'))",
    "ld.assign(p, ld.state('s', init=np.ones(3)))",
    "ld.assign(p, ld.identity('x'))",
    "ld.assign(p, ld.identity(['rows']))",
    "ld.assign(p, ld.inverse_root(g, 'a'))",
    "ld.assign(p, ld.size('p'))",
    "ld.assign(p, ld.size(p, axis='a'))",
    "ld.assign(p, ld.ndim(3))",
    "ld.assign(p, ld.shape('a'))",
    "ld.only_when(g>0)",
    "ld.evaluate(sympy.gamma(p)) or ld.assign(p,g)",
    "ld.evaluate(p*sympy.Symbol('x')) or ld.assign(p,g)",
    "ld.evaluate(p*ld.extra('loss')) or ld.assign(p,g)",
    "ld.evaluate(g) or ld.assign(p,g)",
    "ld.evaluate('a') or ld.assign(p,g)",
    "ld.combine([3])",
    "ld.combine('ab')",
    "3",
    "None",
    "ld.assign(g, p)",
    "ld.assign('p', g)",
    "ld.assign(p, [g])",
    "ld.assign(p, ld.state('s', init=10**400)+g)",
    "ld.assign(p, sympy.Integral(g,g))",
    "ld.assign(p, sympy.Derivative(g*p,g))",
    "ld.assign(p, sympy.oo)",
    "ld.assign(p, sympy.Matrix([g]))",
    "ld.assign(p, ld.where(g>0,'a',g))",
    "ld.assign(p, ld.clip(g,None,1))",
    "ld.assign(p, g.foo)",
    "ld.assign(p, g@g)",
    "ld.assign(p, g<<1)",
    "ld.assign(p, float(g))",
    "ld.assign(p, {g})",
    "ld.assign(p, g if ld.step % 2 else p)",
    "ld.assign(p, g if g else p)",
    "ld.assign(p, sorted([g,p])[0])",
    "ld.assign(p, [x for x in g][0])",
]

NAMES = {"ld": ld, "np": np, "sympy": sympy, "functools": functools, "mom": mom}


@pytest.mark.parametrize("call", CALLS)
def test_a_bad_call_is_refused_with_a_sentence(call):
    with pytest.raises(ld.LearnerError) as caught:
        eval(call, dict(NAMES))
    assert len(str(caught.value).split()) >= 4


@pytest.mark.parametrize("call", IN_A_RULE)
def test_a_rule_that_means_nothing_is_refused_with_a_sentence(call):
    names = {**NAMES, "__name__": "rules_of_a_user"}
    exec(f"def written(p, g, lr=0.1):\n    return {call}", names)
    with pytest.raises(ld.LearnerError) as caught:
        ld.rule(names["written"]).trace()
    assert len(str(caught.value).split()) >= 4
    with pytest.raises(ld.RuleError, match="outside a rule"):
        ld.state("a")
