"""Training: labelled images in, weights out. Run-time code never imports from here."""
