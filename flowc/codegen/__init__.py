"""From loops and plans to LLVM text, objects and callables."""
