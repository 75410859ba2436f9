"""One file for each resource: its routes, who may call them, and nothing that decides."""
