"""Named protocols: one published figure each, and how it is measured here; a file a protocol, as families are."""
