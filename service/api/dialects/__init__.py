"""REST clients of four older systems, served on the same use cases: `docs/dialects.md` says what, ADR 0013 why so."""
