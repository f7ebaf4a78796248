"""The passes of the compiler: each file has one, a function from Kernel to Kernel."""
