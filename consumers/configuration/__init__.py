"""What a deployment may decide: settings, their types, and how they are read."""
