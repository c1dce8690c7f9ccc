"""From evidence to signs: one file a kind of evidence, each with a function from rows to the signs in them."""
