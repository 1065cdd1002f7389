"""Advice: which of the measured checkpoints meet given needs, and what to try next."""
