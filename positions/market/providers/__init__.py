"""Providers of market data: programs elsewhere that are asked for quotes, closes, fundamentals, earnings and splits.

A provider never decides. What it says is judged row by row before it is stored, by the rules of every other feed; one
that hangs, answers garbage or answers late leaves the stored rows as they are, which then age and are refused as stale.
"""
