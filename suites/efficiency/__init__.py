"""Efficiency: the cost of serving and of making the checkpoint."""
