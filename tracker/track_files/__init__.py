"""Files of tracks and detections, read back: the only reader, for eval, refine and replay."""
