"""The code of the subcommands of `jumbo` that need only torch and timm; their arguments are in jumbo_cli."""
