"""Documents made from templates: their values, computed and referred to, and the builder."""
