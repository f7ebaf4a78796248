"""Graphs as CNTK's users write them: nodes, operations, and their values and gradients."""
