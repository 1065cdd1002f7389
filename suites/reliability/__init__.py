"""Reliability: whether it can be trusted while it does it."""
