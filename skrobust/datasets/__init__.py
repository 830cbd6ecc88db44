"""``make_*`` generates, ``load_*`` reads a local file, the others corrupt with known truth."""
