"""Run the vision suite and judge what it leaves."""
