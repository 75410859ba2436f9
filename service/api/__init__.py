"""HTTP: parse, call one use case, serialise."""
