"""The findings of `lagmon doctor`."""
