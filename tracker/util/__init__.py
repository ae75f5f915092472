"""Small helpers without knowledge of video."""
