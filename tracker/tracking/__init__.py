"""DeepSORT: from detections to tracks."""
