"""The ops: one class each, which is the only place that names it."""
