"""Real-time detection and tracking of objects in video."""
