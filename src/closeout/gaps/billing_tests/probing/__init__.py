"""Run the billing suite and judge what it leaves."""
