"""The form: values, ops, blocks, functions, their text, and rebuilding them."""

VERSION = 1  # of the textual form
