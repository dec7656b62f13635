"""flowc: a graph compiler from tensor programs to native code."""
