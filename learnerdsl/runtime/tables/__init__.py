"""The tables of a program at work: chunks of tensors, addresses, and rows of scalars."""
