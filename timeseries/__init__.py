"""The Jumbo encoder on patches of 1-D signals.

Forecasting and classification estimators for sktime will live here; this release has none yet.
"""
