"""Describing how detections look: crops of a frame to unit vectors."""
