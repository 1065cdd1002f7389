"""What runs inside the sandbox, by Python's standard library alone."""
