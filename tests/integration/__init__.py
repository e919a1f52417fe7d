"""The services as users start them, on real components, with real faults."""
