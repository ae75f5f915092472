"""Plots of recorded tracks, and a report of all of them."""
