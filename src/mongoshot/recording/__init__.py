"""Live database → snapshot."""
