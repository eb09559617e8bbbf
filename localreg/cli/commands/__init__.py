"""The subcommands, one a module; a module is imported when its command is called."""
