"""Runs compiled graphs without the compiler; needs numpy only."""
