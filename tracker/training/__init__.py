"""Training: labelled pictures in, weights out. Run-time code never imports from here."""
