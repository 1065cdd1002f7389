"""The formats in which models are handed over: recognised, described, and read into the store."""
