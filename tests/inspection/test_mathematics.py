"""The mathematics of rules: LaTeX as papers write it, for every node of the language."""

import re

import pytest
from latex2mathml.converter import convert
from support.rules import clipped_adamw_ema
from support.tiers import FEW

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.inspection.letters import letter_of, letters
from learnerdsl.inspection.mathematics import latex_lines, pretty


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p", "p"),
        ("beta1", r"\beta_1"),
        ("beta_2", r"\beta_2"),
        ("lr", r"\eta"),
        ("eps_root", r"\epsilon_{\mathrm{root}}"),
        ("adamw_eps", r"\epsilon_{\mathrm{adamw}}"),
        ("adamw_weight_decay", r"\lambda_{\mathrm{adamw}}"),
        ("v_hat", r"\hat{v}"),
        ("v_hat_max", r"\hat{v}_{\max}"),
        ("b_g", "b_g"),
        ("x_12", "x_{12}"),
        ("gram_1", r"\mathrm{gram}_1"),
        ("rho_inf", r"\rho_{\infty}"),
        ("trust", r"\mathrm{trust}"),
        ("trust_ratio", r"\mathrm{trust\_ratio}"),
        ("one_minus_rho", r"(1 - \rho)"),
        ("_hidden", r"\mathrm{\_hidden}"),
    ],
)
def test_names_become_the_letters_of_papers(name, text):
    assert str(letter_of(name)) == text


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (["lr", "eta"], [r"\mathrm{lr}", r"\eta"]),
        (["beta1", "beta_1"], [r"\mathrm{beta1}", r"\mathrm{beta\_1}"]),
        (["momentum", "mu", "m"], [r"\mathrm{momentum}", r"\mu", "m"]),
    ],
)
def test_different_names_have_different_letters(names, texts):
    assert [str(letter) for letter in letters(names).values()] == texts


def lines(rule, **options):
    return [" ".join(line) for line in latex_lines(rule.trace(**options))]


def test_the_step_has_a_letter_of_its_own():
    @ld.rule
    def clash(p, g, lr=0.1):
        t = ld.state("t")
        return ld.assign(p, p - lr * ld.assign(t, t + g) / ld.step)

    assert lines(clash) == [
        "t_k = t_{k-1} + g_k",
        r"p_k = p_{k-1} - \frac{\eta \, t_k}{k}",
    ]


def of(value):
    """Return the LaTeX of an expression of the parameter `p` and the gradient `g`."""

    @ld.rule
    def rule(p, g, c=0.5):
        return ld.assign(p, p + ld.let("x", value(p, g, c)))

    return next(line for line in lines(rule, shape=(3, 4)) if line.startswith("x =")).removeprefix(
        "x = "
    )


CASES = {
    "norm": (lambda p, g, c: ld.norm(g), r"\left\lVert g_t \right\rVert"),
    "norm of the model": (
        lambda p, g, c: 1 / ld.norm(g, over="model"),
        r"\frac{1}{\left\lVert g_t \right\rVert_{\mathrm{model}}}",
    ),
    "square of a norm": (lambda p, g, c: ld.sum(g**2), r"\left\lVert g_t \right\rVert^{2}"),
    "sum of magnitudes": (
        lambda p, g, c: ld.sum(ld.abs(g), axis=0),
        r"\left\lVert g_t \right\rVert_{1, \mathrm{axis}\,0}",
    ),
    "largest magnitude": (
        lambda p, g, c: ld.max(ld.abs(g)),
        r"\left\lVert g_t \right\rVert_{\infty}",
    ),
    "sum": (lambda p, g, c: ld.sum(p * g), r"\sum_{\mathrm{tensor}} g_t \, p_{t-1}"),
    "mean": (
        lambda p, g, c: ld.mean(g, axis=(0, 1)),
        r"\frac{\sum_{\mathrm{axis}\,0, 1} g_t}{\mathrm{dim}_0 \, \mathrm{dim}_1}",
    ),
    "smallest": (lambda p, g, c: ld.min(g), r"\min_{\mathrm{tensor}} \left(g_t\right)"),
    "product": (lambda p, g, c: ld.prod(g), r"\prod_{\mathrm{tensor}} g_t"),
    "indicator": (lambda p, g, c: ld.where(g > 0, 1, 0), r"\mathbb{1}\left[g_t > 0\right]"),
    "negated indicator": (
        lambda p, g, c: ld.where(g >= c, 0, 1),
        r"\mathbb{1}\left[\lnot \left(g_t \geq c\right)\right]",
    ),
    "count": (
        lambda p, g, c: ld.count(g > 0),
        r"\sum_{\mathrm{tensor}} \mathbb{1}\left[g_t > 0\right]",
    ),
    "choice": (
        lambda p, g, c: ld.where((g > 0) & (p < 1), g, ld.where(ld.isnan(g), 0, p)),
        r"\begin{cases} g_t & \text{if } g_t > 0 \land p_{t-1} < 1 \\ "
        r"0 & \text{if } g_t \text{ is NaN} \\ p_{t-1} & \text{otherwise} \end{cases}",
    ),
    "alternatives": (
        lambda p, g, c: ld.where(((g > 0) | ld.isfinite(p)) & ~(g < c), g, c),
        r"\begin{cases} g_t & \text{if } \left(g_t > 0 \lor \left|p_{t-1}\right| < \infty\right) "
        r"\land \lnot \left(g_t < c\right) \\ c & \text{otherwise} \end{cases}",
    ),
    "clip": (
        lambda p, g, c: ld.clip(g, -c, c),
        r"\operatorname{clip}_{\left[- c, c\right]}\left(g_t\right)",
    ),
    "extremes": (
        lambda p, g, c: ld.maximum(g, ld.minimum(p, c)),
        r"\max\left(g_t, \min\left(p_{t-1}, c\right)\right)",
    ),
    "roots": (
        lambda p, g, c: ld.sqrt(g) / ld.cbrt(p),
        r"\frac{\sqrt{g_t}}{\sqrt[3]{p_{t-1}}}",
    ),
    "functions": (
        lambda p, g, c: ld.sign(g) * ld.exp(-p) + ld.log1p(ld.abs(p)) ** 2,
        r"\left(\operatorname{log1p}\left(\left|p_{t-1}\right|\right)\right)^{2} + "
        r"\exp\left(- p_{t-1}\right) \, \operatorname{sign}\left(g_t\right)",
    ),
    "power of a quotient": (
        lambda p, g, c: (g / c) ** 2 + p,
        r"p_{t-1} + \left(\frac{g_t}{c}\right)^{2}",
    ),
    "numbers": (
        lambda p, g, c: 1e-8 * g - 2.5e-7 * p + ld.where(g > 0, p, 1.5),
        None,
    ),
    "remainder": (
        lambda p, g, c: g * ld.where(ld.equal(ld.step % 3, 0), 1, 0),
        r"\mathbb{1}\left[t \bmod 3 = 0\right] \, g_t",
    ),
    "floor": (
        lambda p, g, c: g * ld.floor(ld.step / 2),
        r"\left\lfloor \frac{t}{2} \right\rfloor \, g_t",
    ),
    "matrices": (
        lambda p, g, c: c * ld.matmul(ld.matmul(p, ld.transpose(p)), g) * g**2,
        r"c \, g_t^{\odot 2} \odot \left(p_{t-1} \, p_{t-1}^\top \, g_t\right)",
    ),
    "random": (lambda p, g, c: ld.normal() + c * ld.uniform(), None),
}


@pytest.mark.parametrize("case", CASES)
def test_nodes_are_written_as_papers_write_them(case):
    value, text = CASES[case]
    written = of(value)
    assert text is None or written == text
    check_grammar(written)


def test_numbers_have_powers_of_ten():
    text = of(CASES["numbers"][0])
    assert r"10^{-8} \, g_t" in text
    assert r"- 2.5 \cdot 10^{-7} \, p_{t-1}" in text


def test_random_numbers_are_named_with_their_distribution():
    @ld.rule
    def noisy(p, g, xi=0.1):
        return ld.assign(p, p - g + xi * ld.normal() * ld.uniform())

    first, second, last = lines(noisy)
    assert first == r"\zeta_1 \sim \mathcal{N}(0, 1)"
    assert second == r"\zeta_2 \sim \mathcal{U}(0, 1)"
    assert r"\zeta_1" in last
    assert r"\zeta_2" in last


def test_rings_have_the_times_of_their_values():
    @ld.rule
    def ring(p, g, lr=0.1):
        past = ld.state("past", ring=2)
        new = ld.assign(past, g)
        return ld.assign(p, p - lr * (new + past[1] + past[2]))

    text = "\n".join(lines(ring))
    assert all(rf"\mathrm{{past}}_{{t-{lag}}}" in text for lag in (1, 2))
    assert r"\mathrm{past}_t = g_t" in text


def test_extras_have_the_time_of_the_update():
    @ld.rule
    def by_loss(p, g, lr=0.1):
        return ld.assign(p, p - lr * ld.extra("loss") * g)

    assert lines(by_loss) == [r"p_t = p_{t-1} - \eta \, \mathrm{loss}_t \, g_t"]


def test_weights_to_evaluate_with_are_shown():
    text = "\n".join(lines(learners.schedule_free_sgd))
    assert r"p_{\mathrm{evaluation}} = " in text


def nested(depth):
    @ld.rule
    def rule(p, g):
        x = g
        for k in range(depth):
            x = ld.where(x > 0.1 * k, x * g + 1, x - p)
        return ld.assign(p, p - x)

    return rule.trace()


def test_repeated_parts_of_long_expressions_get_names():
    # As a tree, the last of 30 choices has 3**30 nodes.
    # The rule is not within an assert, which would write it out if it failed.
    long, short = latex_lines(nested(30)), latex_lines(nested(2))
    assert (len(long), len(short)) == (30, 1)
    assert len(str(long)) < 10_000
    text = pretty(nested(30))
    assert "part₂₉" in text


@ld.rule
def of_every_kind(p, g, lr=0.1):
    u = ld.let("u", ld.maximum(0.5 * p**2, ld.minimum(g, 2 * lr)))
    kept = ld.let("kept", ld.clip(u, -lr, lr) * ld.normal() + ld.uniform())
    mean = ld.let("mean", ld.mean(kept**2, axis=-1) + ld.prod(1 + g**2, over="model"))
    whole = ld.let("whole", ld.max(ld.abs(g)) * ld.matmul(ld.identity("rows"), u))
    return ld.assign(p, p - lr * whole * mean * ld.min(p * lr, axis=(0, 1)))


def test_pretty_sets_every_function_as_mathematics():
    text = of_every_kind.pretty(shape=(4, 3))
    code = re.findall(r"\*\*|[\w)]\*[\w(]|over=|axis=|Max|Min|'|_\d\(", text)
    assert not code, text
    # A square stands above its base: in the line before, over the end of the name.
    above, line = text.splitlines()[:2]
    assert line == "u = max⎝0.5⋅p , min(g, 2⋅lr)⎠"
    assert above[line.index("p") + 1] == "2"
    for part in (
        "over model",
        "over tensor",
        "axis -1",
        "axis (0, 1)",
        "normal₁",
        "identity(rows)",
    ):
        assert part in text


def check_grammar(text):
    """Raise unless braces, brackets and environments match, and the text is MathML."""
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert len(re.findall(r"\\left\b", text)) == len(re.findall(r"\\right\b", text))
    begun, ended = (re.findall(rf"\\{end}{{(\w+)}}", text) for end in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    outside = re.sub(
        r"\\(mathrm|operatorname|text){[^{}]*}|\\(begin|end){\w+}|\\[A-Za-z]+", "", text
    )
    assert not re.search(r"[A-Za-z]{2}", outside), "a name of several letters is not upright"
    assert "merror" not in convert(text)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FEW else pytest.mark.slow) for n in learners.__all__]
)
def test_the_mathematics_of_every_builtin_is_well_formed(name):
    rule = getattr(learners, name)
    for shape in ((6, 8), (7,)):
        try:
            traced = rule.trace(shape=shape)
        except ld.RuleError:  # a rule for matrices alone
            continue
        for line in latex_lines(traced):
            check_grammar(" ".join(line))
    assert rule.latex().startswith("\\begin{aligned}\n")


def test_chains_have_the_mathematics_of_all_members():
    text = clipped_adamw_ema.latex()
    assert r"_{\mathrm{model}}" in text
    assert r"\mathrm{average}_t" in text
