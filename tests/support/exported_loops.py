"""Runs exported loops, in Numba and in C, on the arrays of a learner."""

import ctypes
import inspect
import re
import subprocess
import types

import numpy as np

FLAGS = ["-std=c99", "-O3", "-march=native", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-pedantic"]
C_TYPES = {
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
}


class Inputs:
    """What updates of several tensors receive, by the names of the exported functions."""

    def __init__(self, rule, params, dtype, seed=0, **hyperparameters):
        shape = params[0].shape
        self.rule = rule.trace(shape=shape)
        self.dtype = dtype
        self.shapes = [p.shape for p in params]
        self.arrays = {str(self.rule.parameter): [p.reshape(-1) for p in params]}
        self.numbers = {"seed": seed, **hyperparameters}
        for spec in self.rule.states:
            name, kind = spec.public, spec.symbol.shape
            if kind in ("tensor", "model"):
                self.arrays[f"{name}_state"] = np.zeros(len(params) if kind == "tensor" else 1)
                continue
            length = getattr(spec.symbol, "length", 1)
            own = [np.zeros((length, p.size), dtype) for p in params]
            self.arrays[name] = own if length > 1 else [row[0] for row in own]

    def take(self, step, gradients, extras):
        """Use these inputs in the next update, the extras by name."""
        self.numbers["step"] = step
        self.arrays[str(self.rule.gradient)] = [g.reshape(-1) for g in gradients]
        for name, value in extras.items():
            if np.ndim(value[0] if isinstance(value, list) else value):
                self.arrays[name] = [v.reshape(-1) for v in value]
            else:
                self.numbers[name] = value

    def size_of(self, name, k):
        """The length of an axis of a tensor."""
        axis = {"rows": -2, "cols": -1}.get(name)
        return self.shapes[k][int(name.removeprefix("dim")) if axis is None else axis]


class InNumba:
    """The functions of an exported module for Numba."""

    def __init__(self, text, is_parallel=True):
        text = text if is_parallel else text.replace("parallel=True, ", "")
        self.module = types.ModuleType("exported")
        exec(compile(text, "<exported>", "exec"), vars(self.module))

    def call(self, name, inputs):
        """Call a function with the arguments that it names; nothing if there is none."""
        function = vars(self.module).get(name)
        if function is None:
            return
        python = getattr(function, "py_func", function)
        names = inspect.signature(python).parameters
        if python is function:
            function(**self.given(names, self.of_model, inputs))
            return
        for k in range(len(inputs.shapes)):
            function(**self.given(names, self.of_tensor, inputs, k))

    def given(self, names, find, inputs, *tensor):
        """The arguments that have no default that is wanted."""
        plain = {n: n.removesuffix("_") for n in names}
        return {n: find(p, inputs, *tensor) for n, p in plain.items() if self.is_given(p, inputs)}

    def is_given(self, name, inputs):
        """Whether an argument has no default that is wanted."""
        is_size = re.match(r"rows|cols|dim\d", name)
        return name in inputs.arrays or name in inputs.numbers or name == "number" or bool(is_size)

    def of_model(self, name, inputs):
        """The argument for all tensors."""
        if name in inputs.arrays:
            return inputs.arrays[name]
        if name in inputs.numbers:
            return inputs.numbers[name]
        name = name.removesuffix("_by_tensor")
        return [inputs.size_of(name, k) for k in range(len(inputs.shapes))]

    def of_tensor(self, name, inputs, k):
        """The argument for one tensor."""
        if name == "number":
            return k
        if name in inputs.arrays:
            own = inputs.arrays[name]
            return own[k : k + 1] if name.endswith("_state") else own[k]
        return inputs.numbers[name] if name in inputs.numbers else inputs.size_of(name, k)


class InC:
    """The functions of an exported file in C, compiled by the compiler of the system."""

    def __init__(self, text, folder, flags=()):
        guard = re.search(r"#ifdef (\w+)_IMPLEMENTATION", text)[1]
        (folder / "exported.h").write_text(text)
        source, library = folder / "exported.c", folder / "exported.so"
        source.write_text(f'#define {guard}_IMPLEMENTATION\n#include "exported.h"\n')
        command = ["cc", *FLAGS, *flags, "-shared", "-fPIC", "-o", library, source, "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
        assert not done.stderr
        self.text = text
        self.library = ctypes.CDLL(str(library))

    def call(self, name, inputs):
        """Call a function with the arguments of its declaration; nothing if there is none."""
        declared = re.search(rf"^void {name}\((.*?)\);", self.text, re.M | re.S)
        if declared is None:
            return
        arguments = [" ".join(part.split()) for part in declared[1].split(",")]
        of_model = arguments[0] == "const int64_t tensors"
        for k in range(1 if of_model else len(inputs.shapes)):
            self.kept = []
            values = [self.argument(part, inputs, None if of_model else k) for part in arguments]
            function = getattr(self.library, name)
            function.restype = None
            function(*values)

    def argument(self, declared, inputs, k):
        """The argument for tensor k, or for all, where k is None."""
        kind, name = re.fullmatch(r"(.*?)(\w+)", declared).groups()
        sizes = [int(np.prod(shape)) for shape in inputs.shapes]
        if name == "hyper":
            return self.hyperparameters(inputs, kind)
        if name in ("tensors", "count", "number"):
            return ctypes.c_int64({"tensors": len(sizes), "number": k}.get(name, sizes[k or 0]))
        if name == "sizes":
            return self.pointer(np.array(sizes, np.int64))
        if name == "scratch":
            return self.pointer(np.full(64 * len(sizes), np.nan))
        name = name if name in {*inputs.numbers, *inputs.arrays} else name.removesuffix("_")
        if name in inputs.numbers:
            return C_TYPES[kind.split()[-1]](inputs.numbers[name])
        if name in inputs.arrays:
            own = inputs.arrays[name]
            if name.endswith("_state"):
                return self.pointer(own if k is None else own[k : k + 1])
            return self.pointers(own) if k is None else self.pointer(own[k])
        stem = name.removesuffix("_by_tensor")
        of_each = np.array([inputs.size_of(stem, j) for j in range(len(sizes))], float)
        return self.pointer(of_each) if k is None else ctypes.c_double(of_each[k])

    def pointer(self, array):
        """The address of an array, which lives until the next call."""
        assert array.flags.c_contiguous
        self.kept.append(array)
        return ctypes.c_void_p(array.ctypes.data)

    def pointers(self, arrays):
        """The address of the addresses of some arrays."""
        found = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        self.kept.append(found)
        return ctypes.cast(found, ctypes.c_void_p)

    def hyperparameters(self, inputs, kind):
        """The address of the default hyperparameters, but for those given."""
        stem = kind.split()[1].removesuffix("_hyperparameters")
        fields = re.search(r"typedef struct \{(.*?)\} \w+_hyperparameters;", self.text, re.S)[1]
        names = re.findall(r"double (\w+);", fields)
        structure = type(
            "Hyper", (ctypes.Structure,), {"_fields_": [(n, ctypes.c_double) for n in names]}
        )
        function = getattr(self.library, f"{stem}_defaults")
        function.restype = structure
        own = function()
        for name in names:
            if name in inputs.numbers:
                setattr(own, name, inputs.numbers[name])
        self.kept.append(own)
        return ctypes.byref(own)
