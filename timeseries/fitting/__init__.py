"""How networks of series learn: loops, losses, closed forms, and pretraining."""
