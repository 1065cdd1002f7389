"""The machine that a session shares with others: its memory, its turns, its processes."""
