"""A local mirror of data sets: the rows that are needed, those found, and fetching the rest."""
