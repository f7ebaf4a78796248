"""Graphs in the style of CNTK: nodes, operations, their values and gradients."""
