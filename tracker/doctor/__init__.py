"""Checks of the machine and the installation for `tracker doctor`, each a small function."""
