"""Kernel -> text. `printer` writes expressions; `cpu` holds what only a CPU kernel has."""
