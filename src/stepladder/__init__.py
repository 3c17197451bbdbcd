"""Stepladder: process supervision of reasoning models as one graph of named nodes."""

import gc

__version__ = "0.1.0"

# The libraries of one job make a million objects that all stay. By Python's own threshold a good part of the time in
# which they are loaded goes by in looking for garbage among them.
gc.set_threshold(50_000)
