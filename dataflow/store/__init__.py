"""What lies on disk: atomic files, shards, manifests and the schemas of all tables."""
