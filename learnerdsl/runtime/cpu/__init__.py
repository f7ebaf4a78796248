"""The CPU backend: the engine, its launchers and its threads."""
