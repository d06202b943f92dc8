"""Reviews of an account, each with a decision of a person, and the report of each day (P-30)."""
