"""What the dashboards are written from: one module each, and the parts that they share."""
