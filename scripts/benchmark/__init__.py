"""Measure the service on servers of its own: what `./scripts/bench` does."""
