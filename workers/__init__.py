"""RQ: the processes that do background work, and what they do."""
