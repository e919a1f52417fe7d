"""What the numbers mean: lag, age, state, and what is still to be asked. Pure."""
