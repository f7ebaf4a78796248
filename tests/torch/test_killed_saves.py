"""A process that is killed while it saves leaves the old file or the new one."""

import subprocess
import sys

import pytest

# Children save two checkpoints in turn; one process makes them all, as importing takes seconds.
KILLING = """
import copy, os, signal, sys, time
import torch
import learnerdsl.torch as ldt

def save(saved, path):
    torch.save(saved, path + ".tmp")
    os.replace(path + ".tmp", path)

path = sys.argv[1]
p = torch.nn.Parameter(torch.ones(100_000))
optimizer = ldt.AdamW([p])
versions = []
for _ in range(2):
    p.grad = torch.ones_like(p)
    optimizer.step()
    versions.append(copy.deepcopy(optimizer.state_dict()))
save(versions[0], path)
for number in range(10):
    child = os.fork()
    while not child:
        for saved in versions:
            save(saved, path)
    time.sleep(0.01 + 0.003 * number)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = torch.load(path, weights_only=True)["state"][0]
    same = [
        all(torch.equal(found[n], v) for n, v in saved["state"][0].items()) for saved in versions
    ]
    print(sum(same))
"""


@pytest.mark.slow
def test_file_is_whole_whenever_the_process_is_killed(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", KILLING, str(tmp_path / "checkpoint.pt")]
    assert subprocess.run(command, capture_output=True, check=True).stdout.split() == [b"1"] * 10
