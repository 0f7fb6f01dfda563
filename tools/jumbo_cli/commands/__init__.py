"""The subcommands that come with this package: their arguments and help, one to a file."""
