"""Rows of the long-context tasks of RULER, made from a seed for a number of tokens."""
