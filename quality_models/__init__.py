"""A small classifier that scores how much a document reads like those you chose as good."""
