"""The systems of the lab as data, and what makes them exist in its AWS."""
