"""How many bytes a thread of a GPU loads and stores at once."""

PACK_BYTES = 16
