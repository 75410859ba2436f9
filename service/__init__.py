"""Fairdeal: deals support tickets to agents."""
