"""A mongod of our own, that lives as long as its run: found, started, watched, swept up."""
