"""Documents that mean the same in other words: their vectors (``embeddings``), compared inside ``buckets``."""
