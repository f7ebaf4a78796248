"""The campaign: `python -m fuzz --hours 1 --jobs 2`, with tests/ on PYTHONPATH.

Each job tries recipe after recipe, in processes of their own. A finding becomes a script in
out/fuzz/ with the smallest recipe of its kind; what has been tried is in out/fuzz/progress.json,
from which `--resume` goes on.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
BATCH = 40
"""Recipes that one process tries: a crash of the process loses no more."""


def arguments():
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--hours", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0, help="of the first recipe")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--engine",
        choices=("compiled", "python"),
        default="compiled",
        help="python runs the generated source without Numba: about 10 times as fast",
    )
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "fuzz")
    parser.add_argument("--batch", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_batch(first, stop, out):
    """Try recipes, write findings, and print what came of each as a line of JSON."""
    from fuzz.recipes import random_recipe  # noqa: PLC0415
    from fuzz.trials import minimised, script, try_out  # noqa: PLC0415

    for seed in range(first, stop):
        recipe = random_recipe(seed)
        print(json.dumps({"started": seed}), flush=True)
        outcome = try_out(recipe)
        if outcome.is_finding:
            known = out / f"{''.join(c if c.isalnum() else '_' for c in outcome.key)[:60]}.txt"
            with known.open("a") as file:
                file.write(f"{seed}\n")
            if len(known.read_text().splitlines()) <= 5:
                small = minimised(recipe, outcome.key)
                (out / f"{outcome.kind}_{seed}.py").write_text(script(small, try_out(small)))
        result = {"seed": seed, "kind": outcome.kind, "key": outcome.key}
        print(
            json.dumps({**result, "judged": outcome.judged, "unjudged": outcome.unjudged}),
            flush=True,
        )


def main():
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.batch:
        run_batch(*given.batch, given.out)
        return
    progress = given.out / "progress.json"
    totals = collections.Counter()
    position = given.seed
    if given.resume and progress.exists():
        kept = json.loads(progress.read_text())
        totals.update(kept["totals"])
        position = kept["next"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    if given.engine == "python":
        environment["NUMBA_DISABLE_JIT"] = "1"
    end, running, start = time.time() + 3600 * given.hours, [], time.time()
    while running or time.time() < end:
        while len(running) < given.jobs and time.time() < end:
            command = [
                sys.executable,
                "-m",
                "fuzz",
                "--batch",
                str(position),
                str(position + BATCH),
            ]
            command += ["--out", str(given.out)]
            log = (given.out / f"batch_{position}.log").open("w+")
            running.append(
                (subprocess.Popen(command, stdout=log, stderr=log, env=environment), log)
            )
            position += BATCH
        for job in [job for job in running if job[0].poll() is not None]:
            running.remove(job)
            collect(job, totals, given.out)
        progress.write_text(json.dumps({"next": position, "totals": totals}))
        time.sleep(0.2)
    summary(totals, time.time() - start)


def collect(job, totals, out):
    """Add what a process printed to the totals; its death is a finding."""
    process, log = job
    log.seek(0)
    seed = None
    for line in log:
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        if "started" in entry:
            seed = entry["started"]
            continue
        totals["rules"] += 1
        totals[f"outcome: {entry['key']}"] += 1
        totals["numbers judged"] += entry["judged"]
        totals["numbers unjudged"] += entry["unjudged"]
    log.close()
    if process.returncode:
        totals["processes that died"] += 1
        Path(log.name).rename(out / f"died_{seed}.log")
    else:
        Path(log.name).unlink()


def summary(totals, seconds):
    """What was done, and what was found."""
    for name, count in totals.most_common():
        print(f"{count:12,}  {name}")
    print(f"{totals['rules'] / seconds:.1f} rules a second")


if __name__ == "__main__":
    main()
