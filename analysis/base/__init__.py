"""Statistics of arrays: what every analysis is made of. No table, no report."""
