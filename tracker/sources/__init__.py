"""Sources of frames: files, cameras, streams and pipes."""
