"""Checks of configs before anything is built from them."""
