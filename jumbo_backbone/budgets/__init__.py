"""The dial for compute: what a budget is, which patches it keeps, how it is trained for, and what it costs."""
