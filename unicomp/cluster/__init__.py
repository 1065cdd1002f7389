"""Many processes and machines: a run as units of work, and the workers that take them."""
