"""Raw text in, an accounted-for corpus out."""
