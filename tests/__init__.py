"""The proof of what the three packages say of themselves."""
