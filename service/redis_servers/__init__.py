"""Where Redis is: one server, the master that Sentinels name, or the node of a Cluster that has our keys."""
