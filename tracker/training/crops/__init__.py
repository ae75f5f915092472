"""Crops of people for the appearance network."""
