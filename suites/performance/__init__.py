"""Performance: what the model can do."""
