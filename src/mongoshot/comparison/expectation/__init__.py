"""What a test is expected to change or to leave: as text to keep, and compared with what is."""
