"""What a program does to a database: the state before it, and all that it writes, step by step."""
