"""Efficiency: speed, memory, size, FLOPs and energy of a checkpoint and the dense one."""
