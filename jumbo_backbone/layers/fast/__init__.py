"""Twins of plain layers that are faster, most of them on CPU. Each is tested equal to the layer it stands in for."""
