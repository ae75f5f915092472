"""The second pass over finished tracks: joined, filled, smoothed."""
