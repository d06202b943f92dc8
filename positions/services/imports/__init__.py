"""Imports of recorded market data: one module a kind of file, one way through all of them (`run`).

A row is judged before it is stored. What the market did (crossed or one-sided quotes, no trades for an hour) is kept
as it came; what cannot be true (text in numbers, negative prices, a contract quoted after it expired) goes into the
rejects file with its line number and reason. The whole file is one transaction, and running it twice changes nothing.
"""
