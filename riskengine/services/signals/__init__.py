"""Signals: received, chosen among, picked a contract for, entered; and what their record says of them."""
