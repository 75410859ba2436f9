"""The rules of dealing tickets, in the standard library alone."""
