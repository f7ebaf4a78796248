"""The text of files exported to C, and what the compiler of the system makes of them."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.assembly import has_vector_loop
from support.exported_loops import FLAGS, InC, Inputs
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.learners import adam, lamb

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def compiled(source, folder, *flags, compiler="cc", name="file.c"):
    """Compile a text without a warning; return the path of the result."""
    (folder / name).write_text(source)
    libraries = [] if {"-c", "-S"} & set(flags) else ["-lm"]
    command = [compiler, *flags, "-o", folder / "result", folder / name, *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert not done.stderr
    return folder / "result"


def test_program_in_c_includes_the_file_twice_and_runs(tmp_path):
    (tmp_path / "adam.h").write_text(adam.export("c"))
    source = """
#include "adam.h"
#define ADAM_IMPLEMENTATION
#include "adam.h"
int main(void)
{
    float p[3] = {1, 2, 3}, g[3] = {1, -2, 3}, m[3] = {0}, v[3] = {0};
    adam_hyperparameters hyper = adam_defaults();
    hyper.lr = 0.25;
    adam_update(3, p, g, m, v, 1, &hyper);
    for (int i = 0; i < 3; i++) {
        const float wanted = (float)(i + 1) - (g[i] > 0 ? 0.25f : -0.25f);
        if (fabsf(p[i] - wanted) > 1e-6f) return 1;
    }
    return hyper.beta1 == 0.9 && hyper.eps == 1e-8 ? 0 : 2;
}
"""
    result = compiled(source, tmp_path, *FLAGS)
    assert subprocess.run([result], check=False).returncode == 0


def test_the_program_on_the_page_does_what_the_page_says(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    ((program, command, printed),) = re.findall(
        r"```c\n(.*?)```\n\n`(cc .*?)` prints\n`(.*?)`", page, re.DOTALL
    )
    (tmp_path / "main.c").write_text(program)
    (tmp_path / "adam.h").write_text(adam.export("c", "float64"))
    command = command.replace(" && ", " -Wall -Wextra -pedantic -Werror && ")
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", f"{printed}\n")
    # Without -fopenmp, as where there is none, and with more digits, beside a learner.
    (tmp_path / "main.c").write_text(program.replace("%.4f", "%.17g"))
    result = tmp_path / "exact"
    flags = ["-std=c99", "-O1", "-ffp-contract=off"]
    subprocess.run(["cc", *flags, "main.c", "-o", result, "-lm"], cwd=tmp_path, check=True)
    found = subprocess.run([result], capture_output=True, text=True).stdout
    p = np.array([-1.2, 1.0])
    learner = adam([p], lr=0.01)
    for _ in range(10000):
        away = p[1] - p[0] * p[0]
        learner.update([np.array([-2.0 * (1.0 - p[0]) - 400.0 * p[0] * away, 200.0 * away])])
    np.testing.assert_allclose([float(x) for x in found.split()], p, rtol=1e-9)


@pytest.mark.parametrize("name", ["adam", "muon_with_adamw", "rmsprop"])
def test_names_are_those_that_the_page_promises(name):
    rule = getattr(learners, name)
    own = "".join(word.capitalize() for word in name.split("_"))
    assert f"\nclass {own}(torch.optim.Optimizer):" in rule.export("torch")
    assert f"\ndef {name}(" in rule.export("jax")
    if name != "muon_with_adamw":
        assert f"#ifdef {name.upper()}_IMPLEMENTATION" in rule.export("c")
        assert f"\ndef {name}_update(" in rule.export("numba")


def test_file_compiles_without_openmp(tmp_path):
    flags = [flag for flag in FLAGS if flag != "-fopenmp"]
    source = f"#define LAMB_IMPLEMENTATION\n{lamb.export('c')}"
    compiled(source, tmp_path, *flags, "-Wno-unknown-pragmas", "-c")


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_declarations_are_those_of_c_plus_plus_too(tmp_path):
    source = f"{lamb.export('c')}\nint main() {{ return lamb_defaults().lr == 0.001 ? 0 : 1; }}\n"
    compiled(source, tmp_path, "-Wall", "-Wextra", "-Werror", "-c", compiler="c++", name="f.cpp")


@ld.rule
def double(  # the names are what is tested
    I,  # noqa: E741
    log,
    exp=0.1,
    restrict=0.9,
    NAN=0.5,
    linux=2.0,
    hyper=0.0,
    int64_t=1.0,
    π=3.0,
):
    """A rule with */ and /* and ??/ in its docstring.

    The end of this line is a backslash: \\
    """
    i = ld.state("i")
    double_key = ld.state("double_key", init=int64_t * NAN, shape="tensor")
    _K = ld.state("_K", init=π, shape="model")
    β = ld.let("β", log * restrict + ld.normal() + ld.exp(-ld.abs(log)))
    i_new = ld.assign(i, i * NAN + β)
    key_new = ld.assign(double_key, double_key * 0.5 + ld.norm(i_new, over="tensor"))
    _K_new = ld.assign(_K, _K + linux + ld.sum(β, over="model") / 1e3)
    return ld.assign(I, I - exp * i_new / (1 + key_new) - hyper - 1e-3 * _K_new)


def test_names_with_a_meaning_in_c_are_changed(tmp_path):
    text = double.export("c")
    head = text.partition("#ifdef DOUBLE_IMPLEMENTATION")[0]
    fields = head.partition("typedef struct {")[2].partition("}")[0]
    wanted = ["exp_", "restrict_", "NAN_", "linux_", "hyper_", "int64_t_", "pi"]
    assert re.findall(r"double (\w+);", fields) == wanted
    exported = InC(text, tmp_path)
    shape = (70,)
    params = {"w0": np.ones(shape, np.float32), "w1": np.zeros(shape, np.float32)}
    mine = [array.copy() for array in params.values()]
    learner = double(params, seed=3)
    inputs = Inputs(double, mine, "float32", seed=3)
    inputs.arrays |= {"v_K_state": inputs.arrays["_K_state"]}
    exported.call("double_start", inputs)
    gradients = [np.full(shape, 0.25, np.float32)] * 2
    for step in (1, 2, 3):
        inputs.take(step, gradients, {})
        exported.call("double_update", inputs)
        learner.update(dict(zip(params, gradients, strict=True)))
    for own, wanted in zip(mine, params.values(), strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-6)


def test_constants_are_exact(tmp_path):
    @ld.rule
    def constants(p, g):
        """Set the parameter to a number with many digits."""
        return ld.assign(p, 0 * g + 0.1234567890123456789 + 1e-30 * p)

    for dtype in ("float32", "float64"):
        mine = [np.zeros(3, dtype)]
        wanted = {"w": np.zeros(3, dtype)}
        inputs = Inputs(constants, mine, dtype)
        inputs.take(1, [np.ones(3, dtype)], {})
        folder = tmp_path / dtype
        folder.mkdir()
        InC(constants.export("c", dtype), folder).call("constants_update", inputs)
        constants(wanted).update({"w": np.ones(3, dtype)})
        np.testing.assert_array_equal(mine[0], wanted["w"])


VECTORS = ["adam", "lamb", slow("adopt"), slow("sophia"), slow("adan"), slow("ademamix")]
VECTORS += [slow("stable_spam"), slow("prodigy"), slow("lion"), slow("adapnm")]


@pytest.mark.parametrize("name", VECTORS)
def test_chunks_run_in_vectors(name, tmp_path):
    text = getattr(learners, name).export("c", shape=(30,))
    source = f"#define {name.upper()}_IMPLEMENTATION\n{text}"
    path = compiled(source, tmp_path, *FLAGS, "-fno-math-errno", "-fno-inline-functions", "-S")
    functions = re.findall(r"^(\w+_chunk_\d+):\n(.*?)\n\t\.size", path.read_text(), re.M | re.S)
    loops = [code for _, code in functions]
    if not loops:  # the only call of a function was replaced by its code
        loops = re.findall(r"_omp_fn\.\d+:\n(.*?)\n\t\.size", path.read_text(), re.S)
    assert loops
    assert all(has_vector_loop(code, stores=False) for code in loops)
