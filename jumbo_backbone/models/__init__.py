"""The encoder, the image model with timm's interface, its presets, and its weights as files."""
