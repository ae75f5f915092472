"""Appearance embeddings of detections: unit vectors from crops of a frame."""
