"""What a service says about itself over HTTP, and the server that it says it with."""
