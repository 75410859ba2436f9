"""The pieces that the composition root (`service.bootstrap`) is made of: each wires what belongs to one noun."""
