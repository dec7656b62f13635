"""Loop nests to LLVM text."""
