"""How much of one file is parsed: what is larger is told as not judged, never waited for."""

MOST_BYTES = 1024 * 1024
"""A larger source is generated or minified; the largest that people wrote has a tenth of it."""
