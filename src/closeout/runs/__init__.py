"""What a run keeps: its folder, its plan, its evidence, and the tree that it was about."""
