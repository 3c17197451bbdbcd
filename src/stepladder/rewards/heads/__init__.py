"""The kinds of process reward models: one interface, one file a head."""
