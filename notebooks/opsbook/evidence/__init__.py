"""What was seen: one file a source, each answering with pieces of evidence that say what they cover."""
