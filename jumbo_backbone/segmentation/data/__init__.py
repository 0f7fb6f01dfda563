"""Data sets: how images are read, whether they are sound, and scenes that are rendered."""
