"""Evaluation of tracks (HOTA, CLEAR, Identity by MOTChallenge rules) and of detections (AP)."""
