"""The ``stepladder`` command: what is done with a trained model outside of a study."""
