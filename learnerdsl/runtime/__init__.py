"""Running a program: memory, compiled kernels, launches over all tensors, and the Learner."""
