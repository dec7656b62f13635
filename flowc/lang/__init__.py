"""The `.flow` language: its tree, reading and formatting texts, and elaboration into the IR."""
