"""Decode heads whose loss is computed on a lattice of pixels."""
