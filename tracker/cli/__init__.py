"""The command `tracker`: a module or a folder for each sub-command."""
