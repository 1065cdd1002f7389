"""Performance: the abilities of the model."""
