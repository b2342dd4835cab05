"""The gaps of the work order."""
