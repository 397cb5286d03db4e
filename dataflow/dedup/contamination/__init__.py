"""Items of evaluation sets in documents and conversations: read (``sets``), indexed, found (``decontaminate``)."""
