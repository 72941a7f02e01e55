"""One data set a module, one function: looks at a folder and returns its cases."""
