"""Which documents of which collections were touched since a point in time, as the server tells."""
