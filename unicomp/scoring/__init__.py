"""From answered items to scores: scorers read one item, aggregates read all records."""
