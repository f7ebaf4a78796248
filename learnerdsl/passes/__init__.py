"""The passes of the compiler, each a function from Kernel to Kernel in a file of its own."""
