"""``lagmon top``: a terminal's view on the API of a lagmon that runs somewhere."""
