"""What pages whom: rules, maintenance windows, incidents, the rule file of Prometheus. Pure."""
