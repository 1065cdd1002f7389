"""What a run will take before it starts: units, time, GPU-hours and money."""
