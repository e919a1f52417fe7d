"""What propagation promises: formats, clients, scopes."""
