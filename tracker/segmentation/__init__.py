"""Semantic segmentation of frames."""
