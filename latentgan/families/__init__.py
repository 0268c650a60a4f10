"""One file a family; the file's name is the family's name (see base.load_family)."""
