"""The CUDA backend: the device, the engine of a learner, and the kernels that rules share."""
