"""The frame loop: source, detector, embedder, tracker."""
