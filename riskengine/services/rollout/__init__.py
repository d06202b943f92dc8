"""From off to paper to live and back: checklists, signed steps, what steps back by itself (P-27, P-28)."""
