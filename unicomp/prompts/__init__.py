"""What a checkpoint is asked: tasks, and the items rendered from them."""
