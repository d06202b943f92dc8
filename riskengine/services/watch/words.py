"""Contracts and orders in a desk's words."""

from typing import Any

from riskengine.calculators import wording

RIGHTS = {"C": "call", "P": "put"}


def contract_label(contract: Any) -> str:
    """ "SPXW 3800 put, 2021-01-04"."""
    strike = wording.plain(float(contract.strike), 3)
    return f"{contract.root} {strike} {RIGHTS[contract.right]}, {contract.expiration_on:%Y-%m-%d}"


def short_label(contract: Any) -> str:
    """ "SPXW 3,800P"."""
    return f"{contract.root} {wording.plain(float(contract.strike))}{contract.right}"
