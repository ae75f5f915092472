"""Global ids: one id for each person, over the tracks of several sources."""
