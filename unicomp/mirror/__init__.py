"""A local copy of the data sets: what it needs, what it has, and how it is filled."""
