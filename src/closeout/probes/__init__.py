"""Questions put to running parts, each with an expectation and a recorded answer."""
