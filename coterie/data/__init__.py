"""Files and frames → Dataset: reading, roles, schema, encoding, splits, warnings."""
