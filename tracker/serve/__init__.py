"""`tracker serve`: a live page, a REST interface and metrics."""
