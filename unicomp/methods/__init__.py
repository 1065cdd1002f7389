"""Ways to compress: one module for each technique, from a source folder to a target folder."""
