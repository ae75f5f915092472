"""`tracker eval` and `tracker eval-detector`."""
