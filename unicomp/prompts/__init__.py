"""Prompts: tasks, the items rendered from them, and the items with a checkpoint's answers."""
