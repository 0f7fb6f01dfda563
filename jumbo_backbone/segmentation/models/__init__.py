"""Backbones, segmentors and cascades for mmsegmentation."""
