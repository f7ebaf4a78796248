"""Run a function in several processes that form a process group of PyTorch."""

import os
import sys

import torch


def spawn(work, ranks, *arguments):
    """Run `work(rank, *arguments)` in each of several processes; raise if one of them does."""
    torch.multiprocessing.spawn(_run, (work, arguments), nprocs=ranks)


def _run(rank, work, arguments):
    """Do the work of one process, and end it without Python's clean-up.

    FSDP keeps its process group after `destroy_process_group`, so Gloo's threads are still there
    when Python ends. One that then frees a tensor asks for the GIL, and the process aborts
    ("terminate called without an active exception"; pytorch/pytorch#179291).
    """
    work(rank, *arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
