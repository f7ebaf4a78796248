"""What a process does with the driver of `stub_driver.c`; what that prints is tested."""

import ctypes
import sys

import numpy as np

from learnerdsl import LearnerError
from learnerdsl.learners import adam, lamb
from learnerdsl.runtime.cuda.device import DeviceView
from learnerdsl.runtime.cuda.driver import DriverDevice, device_number

STREAM = 0x77


def array(values):
    """A copy on the device."""
    device = device_number(0)
    memory = device.allocate(values.nbytes)
    device.upload(memory.address, values, 0)
    return DeviceView(device, memory, memory.address, values.shape, values.dtype)


def say(text):
    """Print in order with what the driver prints."""
    ctypes.CDLL(None).fflush(None)
    print(text, flush=True)


def main():
    """Learners, a refused update, a capture, an error, and the end of a learner."""
    driver = ctypes.CDLL("libcuda.so.1")
    say(f"{device_number(0).name} {device_number(0).capability}")
    params, grads = ([array(np.ones((90, 60), np.float32))] for _ in range(2))
    learner = adam(params)
    learner._engine.stream = lambda: STREAM
    say("update")
    learner.update(grads)
    say("update")
    learner.update(grads)
    say(f"state {learner.state[0]['m'].copy_to_host().shape} {learner.threads}")
    others = [array(np.ones((90, 60), np.float32))]
    say("capture")
    driver.stub_capture(1)
    learner.update(others)
    driver.stub_capture(0)
    say("refresh")
    learner.hyperparameters["lr"] = 0.5
    learner.refresh()
    say("skip")
    skipping = lamb(params, nonfinite="skip")
    say(f"done {bool(skipping.update(grads))}")
    try:
        DriverDevice(5)
    except LearnerError as error:
        say(str(error))
    say("end")
    del learner, skipping
    ctypes.CDLL(None).fflush(None)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
