"""The tables that kernels read: chunks of tensors, addresses, and rows of scalars."""
