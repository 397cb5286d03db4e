"""Files of any known format in, Arrow batches of documents and of what could not be read out."""
