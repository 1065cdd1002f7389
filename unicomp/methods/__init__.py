"""Ways to compress, from a source folder to a target folder, and the inspection of results."""
