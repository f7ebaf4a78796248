"""The package works where PyTorch or ml_dtypes is not installed, and says what to install."""

import subprocess
import sys

CODE = """
import sys
sys.modules["torch"] = None
import numpy as np
import learnerdsl as ld
from learnerdsl.learners import adamw
weights = np.ones(3, np.float32)
assert adamw([weights]).update([weights.copy()])
try:
    adamw.torch([weights])
except ld.LearnerError as error:
    print(error)
"""


WITHOUT_ML_DTYPES = """
import sys
sys.modules["ml_dtypes"] = None
import torch
import learnerdsl as ld
import learnerdsl.torch as ldt
def train(dtype):
    p = torch.nn.Parameter(torch.ones(3, dtype=dtype))
    p.grad = torch.ones_like(p)
    optimizer = ldt.AdamW([p])
    optimizer.step()
    assert (p < 1).all() and optimizer.state[p]["step"] == 1
train(torch.float32)
try:
    train(torch.bfloat16)
except ld.LearnerError as error:
    print(error)
"""


def test_optimizers_work_without_ml_dtypes():
    command = [sys.executable, "-c", WITHOUT_ML_DTYPES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "pip install 'learnerdsl[bfloat16]'" in done.stdout


def test_package_works_without_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "install PyTorch with pip install 'learnerdsl[torch]'" in done.stdout


def test_package_does_not_import_torch():
    code = "import sys, learnerdsl, learnerdsl.learners; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
