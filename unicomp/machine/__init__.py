"""The machine that a session shares with others: its memory, its GPUs, its turns, its processes."""
