"""Derivatives of values by values, as ordinary ops: reverse and forward mode."""
