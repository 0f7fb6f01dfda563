"""Compute budgets: what a budget is, which patches it keeps, how a model is trained for it, and what it costs."""
