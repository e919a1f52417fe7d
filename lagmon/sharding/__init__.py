"""How replicas share a cluster: which groups are whose, until when, and how incidents move."""
