"""The number of bytes that a thread of a GPU loads or stores at once."""

PACK_BYTES = 16
