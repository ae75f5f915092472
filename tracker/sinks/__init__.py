"""Writers: where results go."""
