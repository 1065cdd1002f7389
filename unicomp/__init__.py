"""UniComp: the release gate for compressed language models."""
