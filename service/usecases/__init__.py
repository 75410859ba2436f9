"""What the service does, in terms of the domain and of ports; no framework, no driver."""
