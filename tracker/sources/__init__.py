"""Readers: where frames come from."""
