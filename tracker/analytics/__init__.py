"""Answers from tracks: zones, lines, counts, dwell times and speed on the ground."""
