"""Gateways in Python that hand sign-ins on."""
