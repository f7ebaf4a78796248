"""The library that generated files import, and their compilation to machine code.

Nothing here imports `learnerdsl.runtime` or the compiler.
"""
