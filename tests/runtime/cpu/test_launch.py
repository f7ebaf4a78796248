"""The launcher, and what its place in the cache depends on."""

import ast
import inspect

from learnerdsl.runtime.cpu import launch


def test_the_key_of_the_launcher_covers_all_code_that_is_compiled_into_it():
    tree = ast.parse(inspect.getsource(launch))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in imported if module.startswith("learnerdsl.")}
    outside = {module for module in ours if not module.startswith("learnerdsl.kernels")}
    outside.discard("learnerdsl.runtime.tables")  # the package, of which `units` is imported
    outside.discard("learnerdsl.runtime.arrays.interop")  # used around the compilation, not in it
    assert {launch.__name__, *outside} == set(launch._SOURCES)
