"""Programs that start a service's own code on a free loopback port, for probing."""
