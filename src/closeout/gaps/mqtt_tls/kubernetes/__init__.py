"""Brokers in Kubernetes manifests."""
