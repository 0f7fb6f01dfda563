"""Ensembles and cascades of models or budgets, and the thresholds by which samples leave them."""
