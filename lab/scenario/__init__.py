"""Labelled incidents: what is in `lab/scenarios`, and how one is made so in a running lab."""
