"""Numbers and labels computed from each document, one file a family; ``table`` lists them."""
