"""What the runtime and the services on it promise."""
