"""Entry point of `python -m tracker`, the command `tracker`."""

from tracker.cli.main import main

main()
