"""The form: values, ops, blocks, functions, their text, and rebuilding them."""
