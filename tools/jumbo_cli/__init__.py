"""The command `jumbo`.

This package holds the arguments of all subcommands and imports nothing but the standard library, so that help and
errors in arguments come at once: importing torch, timm and mmsegmentation takes up to ten seconds. What a subcommand
does is in ``jumbo_backbone/cli`` and ``jumbo_backbone/segmentation/cli``, and is imported once the arguments are read.
"""
