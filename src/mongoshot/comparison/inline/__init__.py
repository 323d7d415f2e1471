"""Values expected in the code of a test, held against what is: exact, and one to one."""
