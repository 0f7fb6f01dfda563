"""How a trained model fares on corrupted images: one cell of a table for each corruption and severity."""
