"""Checks and addresses of the caller's arrays, on the host and on a device."""
