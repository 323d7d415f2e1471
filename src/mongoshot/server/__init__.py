"""The only room that talks to MongoDB: its processes, its collections, whose they are."""
