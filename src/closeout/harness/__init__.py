"""Boot services and servers, run probes and suites against them, and end all that was started."""
