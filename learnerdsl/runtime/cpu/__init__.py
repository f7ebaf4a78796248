"""The CPU backend: the engine, its launcher and its threads."""
