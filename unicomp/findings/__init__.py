"""What is derived from a scorecard: each figure once, for every format."""
