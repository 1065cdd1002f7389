"""Efficiency: the cost of serving the checkpoint and of making it."""
