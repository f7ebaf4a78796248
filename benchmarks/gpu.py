"""Measures learnerdsl on a GPU beside torch, and prints one table; see the README here.

Every case runs in a process of its own, so that a failure, even one that the GPU does not recover
from within a process, loses one case alone.
"""

import argparse
import ctypes
import datetime
import gc
import importlib.metadata
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a script: what lies beside it is not to be imported by its bare name.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.gpu_cases import CASES, SWEEP, GpuCase, check, make_data
from benchmarks.report import duration, number

ROUNDS = 9
BLOCK = 0.03
"""Seconds of updates that are timed at once, about."""
MOST_UPDATES = 2_000
WARM_UPDATES = 5
HOST_UPDATES = 4
"""Updates that the host starts at once: more might fill the queue of the GPU, and wait."""

LIMIT = 90
"""Seconds after which a case is given up."""
BUDGET = 380
"""Seconds after which no further case is begun."""

RESULT = "RESULT "
SETTINGS = (
    *((chunk, 256, 2) for chunk in (2_048, 4_096, 8_192, 16_384, 65_536)),
    *((4_096, *shape) for shape in ((128, 4), (512, 1), (256, 3), (256, 4))),
)
"""Elements of a chunk, threads of a block, blocks that must fit on a multiprocessor at once."""


@dataclass(frozen=True)
class Row:
    """A comparison of ours with a peer.

    Attributes:
        case: name of the case.
        peer: name of the peer.
        ours: what ours took, in words.
        theirs: what the peer took.
        ratio: how many times as good ours is.
        target: least ratio that is expected, if one is.
        host: time for which the host is busy with an update, of ours and of the peer.
    """

    case: str
    peer: str
    ours: str
    theirs: str
    ratio: float
    target: float | None = None
    host: tuple[float, float] | None = None

    def text(self) -> str:
        """The row of a table in Markdown."""
        target = ""
        if self.target is not None:
            is_met = round(self.ratio, 2) >= self.target
            target = f"{self.target:g}: {'met' if is_met else 'NOT met'}"
        host = " | ".join(map(duration, self.host)) if self.host else " | "
        ratio = number(self.ratio)
        cells = (self.case, self.peer, self.ours, self.theirs, ratio, target, host)
        return f"| {' | '.join(cells)} |"


HEAD = """| case | beside | ours | theirs | ratio | target | host, ours | host, theirs |
|---|---|---|---|---|---|---|---|"""


def obstacle() -> str:
    """Why nothing can be measured here; nothing if it can."""
    for module in ("torch", "numba_cuda"):
        if importlib.util.find_spec(module) is None:
            return f"This benchmark needs {module}, which is not installed."
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "This benchmark needs an NVIDIA GPU, and there is no driver of one (libcuda.so.1)."
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "This benchmark needs an NVIDIA GPU, and the driver finds none."
    return ""


def seconds_of(step: Callable[[], object], count: int) -> float:
    """Seconds per update of so many, on the clock of the GPU; what waits for the host counts."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    gc.disable()
    start.record()
    for _ in range(count):
        step()
    end.record()
    end.synchronize()
    gc.enable()
    return start.elapsed_time(end) * 1e-3 / count


def updates_per_block(step: Callable[[], object]) -> int:
    """How many updates last about as long as a block; the first one also compiles."""
    seconds_of(step, WARM_UPDATES)
    count = WARM_UPDATES
    while (seconds := count * seconds_of(step, count)) < BLOCK and count < MOST_UPDATES:
        count = min(MOST_UPDATES, max(2 * count, math.ceil(count * BLOCK / max(seconds, 1e-9))))
    return max(1, min(count, math.ceil(count * BLOCK / seconds)))


def host_seconds(step: Callable[[], object]) -> float:
    """Seconds for which the host is busy with an update; nobody waits for the GPU."""
    import torch

    found: list[float] = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(HOST_UPDATES):
            step()
        found.append((time.perf_counter() - start) / HOST_UPDATES)
    torch.cuda.synchronize()
    return statistics.median(found)


def measure(case: GpuCase) -> dict[str, Any]:
    """Peer -> seconds per update, a value a round; and seconds of the host.

    Peers take turns, and every round starts with the next one.
    """
    check(case)
    params, grads = make_data(case.shapes(), 0), make_data(case.shapes(), 1)
    steps = {peer.name: peer.make(params, grads) for peer in case.peers}
    counts = {name: updates_per_block(step) for name, step in steps.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(ROUNDS):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            seconds_of(steps[name], max(1, counts[name] // 4))
            seconds[name].append(seconds_of(steps[name], counts[name]))
    host = {name: host_seconds(step) for name, step in steps.items()} if case.times_host else {}
    return {"seconds": seconds, "host": host, "updates": counts}


def compare(case: GpuCase, found: dict[str, Any], name: str) -> list[Row]:
    """Ours beside every peer: times, or bandwidths where both have one."""
    seconds, host = found["seconds"], found["host"]
    mine, *others = case.peers
    rows: list[Row] = []
    for peer in others:
        pairs = zip(seconds[peer.name], seconds[mine.name], strict=True)
        ratio = statistics.median(theirs / own for theirs, own in pairs)
        texts = [duration(statistics.median(seconds[p.name])) for p in (mine, peer)]
        if mine.bytes_per_element and peer.bytes_per_element:
            ratio *= mine.bytes_per_element / peer.bytes_per_element
            texts = [
                rate(p.bytes_per_element * case.elements, seconds[p.name]) for p in (mine, peer)
            ]
        busy = (host[mine.name], host[peer.name]) if host else None
        target = case.targets.get(peer.name)
        rows.append(Row(name, peer.name, texts[0], texts[1], ratio, target, busy))
    return rows


def rate(nbytes: int, seconds: Sequence[float]) -> str:
    """A bandwidth in words."""
    return f"{nbytes / statistics.median(seconds) * 1e-12:.3f} TB/s"


def retune(chunk: int, threads: int, blocks: int) -> None:
    """Cut the work of all learners of this process that have one tensor differently."""
    from learnerdsl.kernels import cuda, cuda_compile
    from learnerdsl.runtime.tables import chunks, tables

    chunks.CHUNK = tables.CHUNK = chunk
    cuda.THREADS = threads
    cuda_compile.BLOCKS = blocks


def run_child(number_of_case: int, setting: Sequence[int]) -> None:
    """Measure one case in this process, and print what was found as JSON."""
    case = CASES[number_of_case] if number_of_case >= 0 else SWEEP
    name = case.name
    if setting:
        retune(*setting)
        name += ", {:,} elements, {} threads, {} blocks".format(*setting)
    found = measure(case)
    rows = [asdict(row) for row in compare(case, found, name)]
    print(RESULT + json.dumps({"case": name, "setting": list(setting), "rows": rows, **found}))


def run_case(name: str, arguments: Sequence[str], cache: str = "") -> dict[str, Any]:
    """What a process of its own finds of a case, or why it failed, in a line."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    # What was compiled for other settings must not be found on disk.
    environment = {**os.environ, "LEARNERDSL_CACHE_DIR": cache} if cache else None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {"case": name, "failure": f"not done after {LIMIT} s"}
    results = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
    if done.returncode == 0 and results:
        return json.loads(results[-1].removeprefix(RESULT))
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    failure = lines[-1].strip() if lines else f"exit status {done.returncode}"
    return {"case": name, "failure": failure[:160], "log": done.stderr[-20_000:]}


def run_all() -> list[dict[str, Any]]:
    """All cases, one after the other, then the sweep."""
    start = time.monotonic()
    work = [(case.name, (str(number_of_case),), False) for number_of_case, case in enumerate(CASES)]
    work += [(f"{SWEEP.name}, {s}", ("-1", *map(str, s)), True) for s in SETTINGS]
    results: list[dict[str, Any]] = []
    for name, words, is_tuning in work:
        if time.monotonic() - start > BUDGET:
            results.append({"case": name, "failure": "left out, as time ran out"})
            continue
        with tempfile.TemporaryDirectory() as cache:
            result = run_case(name, ("--child", *words), cache if is_tuning else "")
        if "failure" in result:
            print(f"{name} failed: {result['failure']}", flush=True)
        results.append(result)
    return results


def machine() -> str:
    """What the numbers depend on."""
    import torch

    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        card, _, driver = answer.splitlines()[0].rpartition(", ")
    except (OSError, subprocess.CalledProcessError, IndexError):
        card, driver = torch.cuda.get_device_name(), "(unknown)"
    return (
        f"{datetime.date.today()}, {card}, driver {driver}, CUDA {torch.version.cuda}, "
        f"torch {torch.__version__}, numba-cuda {importlib.metadata.version('numba-cuda')}"
    )


def print_table(title: str, results: Sequence[dict[str, Any]]) -> None:
    """Print all rows as Markdown, and a line for what failed."""
    print(f"\n{title}\n\n{HEAD}")
    for result in results:
        for row in result.get("rows", ()):
            print(Row(**row).text())
        if "failure" in result:
            print(f"| {result['case']} | failed: {result['failure']} | | | | | | |")


def main() -> None:
    """Measure everything; or one case, for the process that does so."""
    parser = argparse.ArgumentParser(prog="python benchmarks/gpu.py", description=__doc__)
    parser.add_argument("--child", type=int, nargs="+", help=argparse.SUPPRESS)
    child = parser.parse_args().child
    if child:
        run_child(child[0], child[1:])
        return
    reason = obstacle()
    if reason:
        sys.exit(reason)
    results, title = run_all(), machine()
    if os.environ.get("OUT"):
        text = json.dumps({"machine": title, "results": results}, indent=1)
        Path(os.environ["OUT"], "gpu.json").write_text(text)
    print_table(title, results)


if __name__ == "__main__":
    main()
