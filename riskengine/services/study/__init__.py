"""Looking back: what the rules would have done on recorded days."""
