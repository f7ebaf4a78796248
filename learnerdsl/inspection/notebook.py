"""Show a rule in a notebook."""

import html

from learnerdsl.inspection.mathematics import latex
from learnerdsl.inspection.plans import plan
from learnerdsl.pipeline import Program
from learnerdsl.tracing import Rule


def repr_html(rule: Rule, program: Program) -> str:
    """Return HTML for a notebook: plan and mathematics, then the generated code, folded."""
    return (
        f"<p><b>{html.escape(rule.name)}</b>: {html.escape(str(plan(program)).splitlines()[0])}</p>"
        f"$${latex(rule)}$$"
        f"<details><summary>generated code</summary>"
        f"<pre>{html.escape(program.source)}</pre></details>"
    )
