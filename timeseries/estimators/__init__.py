"""The sktime estimators, and what they share: saving, checks, pictures."""
