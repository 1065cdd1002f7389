"""Efficiency: what the checkpoint costs to serve and to make."""
