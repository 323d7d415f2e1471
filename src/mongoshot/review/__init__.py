"""What failing tests propose, until somebody has looked at it: left, found, accepted, rejected."""
