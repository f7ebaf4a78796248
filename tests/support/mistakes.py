"""What the tests of mistakes in rules share: foreign symbols, and how a rule is refused."""

import pytest

import learnerdsl as ld


@ld.rule
def donor(p, g, lr=0.1, mu=0.9):
    """A correct rule whose symbols the tests put where they do not belong."""
    a = ld.state("a")
    a_new = ld.assign(a, mu * a + g)
    return ld.assign(p, p - lr * a_new)


DONOR = donor.trace()


FOREIGN = {
    "parameter": DONOR.parameter,
    "gradient": DONOR.gradient,
    "hyperparameter": DONOR.hyperparameters[1],
    "state": DONOR.states[0].symbol,
    "new value": DONOR.lines[0].value,
}


def refused(function, *parts, error=ld.RuleError, **options):
    """Assert that tracing raises `error` with all the parts in its message."""
    with pytest.raises(error) as caught:
        ld.rule(function).trace(**options)
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message


def expression_refused(expression, *parts, error=ld.RuleError):
    """The same for an expression of p and g that is assigned to p."""

    def rule(p, g, lr=0.1):
        return ld.assign(p, expression(p, g))

    refused(rule, *parts, error=error)
