"""What a training run adds: where it starts, what it leaves, and how it goes on."""
