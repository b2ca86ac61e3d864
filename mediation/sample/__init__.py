"""The example rule book, and the generator of raw files with the truth beside them."""
