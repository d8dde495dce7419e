"""Tools of the repository: checks, generated pages, lock files.  Not part of the wheel."""
