"""The campaign: random rules, bad calls and damaged files. `make fuzz` runs it for hours."""
