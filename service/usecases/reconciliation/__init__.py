"""The reconciler's duties, one for each file: what differs, what to do about it, and when a run may do it."""
