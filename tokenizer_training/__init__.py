"""From corpus text to a vocabulary, and from text to token shards."""
