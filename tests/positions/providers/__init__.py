"""Providers of market data, against a server on this machine that plays what they answer, and how they fail."""
