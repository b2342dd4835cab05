"""Measure how the work grows with a monorepo's size, beside other people's tools."""
