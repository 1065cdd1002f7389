"""What a checkpoint costs to serve and to make, measured beside the dense model."""
