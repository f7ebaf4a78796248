"""The numbers of bytes and elements that a thread of a GPU moves at once."""

PACK_BYTES = 16
"""The number of bytes that one instruction loads or stores."""

SHARERS = 32
"""The number of threads that share a block of 256 elements of an 8-bit state: 8 for each."""
