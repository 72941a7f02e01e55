"""One file format a module, read strictly: what is wrong is refused in one line."""
