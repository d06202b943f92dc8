"""Facts of the exchange and of option contracts: sessions, market time, symbols, ticks. No Django, no clock reading."""
