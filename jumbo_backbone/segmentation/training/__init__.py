"""How a training run starts, what it writes, and how it resumes."""
