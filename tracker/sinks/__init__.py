"""Writers of results: JSON, CSV, MOT text, video, window."""
