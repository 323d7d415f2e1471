"""What was written, in order: the commits of the oplog, and what each made of a document."""
