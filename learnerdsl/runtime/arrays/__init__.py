"""The caller's arrays: which can be used, and where they lie, on the host and on a device."""
