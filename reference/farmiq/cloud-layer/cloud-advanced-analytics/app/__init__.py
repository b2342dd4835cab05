"""Forecasts, anomalies and cohort comparisons."""
