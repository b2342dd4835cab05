"""Summaries of a farm's day, written by a language model."""
