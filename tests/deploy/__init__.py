"""What is shipped to run the services, checked without a Docker daemon."""
