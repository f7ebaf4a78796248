"""Running a program on the caller's arrays, by an engine for each kind of machine."""
