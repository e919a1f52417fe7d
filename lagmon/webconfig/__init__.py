"""Who may see lagmon's pages, and how they travel: the web configuration file of Prometheus."""
