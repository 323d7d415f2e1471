"""A recording: the writes of a program to a database, in their order, beside the state before."""
