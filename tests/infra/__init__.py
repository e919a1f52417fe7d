"""Real components that tests, the demo and the benchmarks start. Imports no product code."""
