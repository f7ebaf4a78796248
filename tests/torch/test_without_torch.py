"""The package works where PyTorch is not installed, and says what to install."""

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


def test_package_works_without_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "install PyTorch with pip install 'learnerdsl[torch]'" in done.stdout


def test_package_does_not_import_torch():
    code = "import sys, learnerdsl, learnerdsl.learners; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
