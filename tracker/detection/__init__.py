"""From a frame to detections: letterbox, network, decode, non-maximum suppression."""
