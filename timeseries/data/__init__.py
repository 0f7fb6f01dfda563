"""From tables to arrays: times, rows, covariates and windows."""
