"""Pictures of images, labels and predictions."""
