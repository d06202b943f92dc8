"""What a sizing was made from: every input with its source and age."""

import math
from datetime import datetime
from typing import Any

from positions.market.calendar import new_york
from riskengine.calculators.fundamentals import breakdown
from riskengine.loading.scaling import Scaled
from riskengine.services.decide.judge import Judged


def known(value: float | None) -> float | None:
    """A number as plain data, rounded free of float dust; None for what is not known."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 10)


def ny(at: datetime | None) -> str | None:
    """New York time with its offset."""
    return None if at is None else new_york(at).isoformat(timespec="seconds")


def market(judged: Judged, i: int) -> dict[str, Any]:
    """The market as seen: time, session, quote, underlying, VIX, volume, Greeks."""
    situation, quotes, priced = judged.situation, judged.candidates.quotes, judged.candidates.priced
    row, session = quotes.rows[i], situation.session
    price = priced.prices.get(row.underlying_id)
    vix = situation.vix
    middle, width = known(quotes.mid[i]), known(quotes.ask[i] - quotes.bid[i])
    return {
        "at": ny(situation.at),
        "clock_kind": situation.portfolio.clock.kind,
        "clock_label": str(situation.portfolio.clock),
        "session": {
            "is_open": situation.is_open,
            "opens_at": ny(session.opens_at),
            "closes_at": ny(session.closes_at),
            "forced_close_at": ny(session.forced_close_at(int(situation.limits.forced_close_minutes))),
            "closes_early": session.closes_early,
        },
        "quote": None
        if row.quoted_at is None
        else {
            "bid": known(quotes.bid[i]),
            "ask": known(quotes.ask[i]),
            "mid": middle,
            "bid_size": row.bid_size,
            "ask_size": row.ask_size,
            "spread_fraction": None if middle is None or width is None or middle <= 0 else known(width / middle),
            "age_seconds": known(quotes.age_seconds[i]),
            "quoted_at": ny(row.quoted_at),
            "source": situation.portfolio.quote_source,
        },
        "underlying": None
        if price is None
        else {
            "symbol": row.underlying,
            "price": float(price.price),
            "unit": "USD per share" if row.settlement == "pm_physical" else "index points",
            "at": ny(price.known_at),
        },
        "vix": None
        if vix is None
        else {"value": float(vix.level), "label": vix.label, "as_of": ny(vix.known_at), "index": vix.index},
        "volume": row.volume_today,
        "open_interest": row.open_interest,
        "implied_volatility": known(priced.volatility[i]),
        "delta": known(priced.greeks.delta[i]),
        "gamma": known(priced.greeks.gamma[i]),
        "theta_per_day": known(priced.greeks.theta_per_day[i]),
        "vega_per_point": known(priced.greeks.vega_per_point[i]),
    }


def used(judged: Judged, i: int) -> list[dict[str, Any]]:
    """Every input of the size: name, label, value, unit, source, as-of, note."""
    situation, account = judged.situation, judged.situation.account
    quotes, vix = judged.candidates.quotes, situation.vix
    row = quotes.rows[i]

    def item(name: str, label: str, value: Any, unit: str, source: str, as_of: datetime | None = None, note: str = ""):
        return {
            "name": name,
            "label": label,
            "value": known(value) if isinstance(value, float) else value,
            "unit": unit,
            "source": source,
            "as_of": ny(as_of),
            "note": note,
        }

    found = [
        item("equity_start_of_day", "Equity, start of day", account.equity_start_of_day, "USD", "snapshot",
             account.snapshot_taken_at),
        item("account_size", "Configured account", float(situation.limits.account_size), "USD",
             f"profile revision {situation.revision.number}"),
        item("confidence", "Confidence", judged.confidence, "0 to 1", "request"),
        item("scaling_confidence", "Confidence that scales", judged.scaled.value, "0 to 1",
             "this account's closed trades", note=scaling_note(judged.scaled)),
        item("vix", "Volatility index", float(vix.level) if vix else None, "VIX points",
             f"{vix.index}, {vix.label}" if vix else "not recorded", vix.known_at if vix else None),
        item("ask", "Ask", float(quotes.ask[i]), "USD per share", situation.portfolio.quote_source, row.quoted_at),
        item("bid", "Bid", float(quotes.bid[i]), "USD per share", situation.portfolio.quote_source, row.quoted_at),
        item("exposure", "Open and reserved", account.exposure, "USD", "positions and live orders", situation.at),
        item("day_pnl", "Day P&L", account.day_pnl, "USD", "equity now less start of day", situation.at),
        item("buying_power", "Buying power", account.buying_power, "USD", "settled cash less reservations",
             situation.at),
        item("spy", "SPY price for share-equivalents", situation.spy, "USD per share", situation.spy_source,
             situation.at),
    ]  # fmt: skip
    found += _correlation(judged, i, item)
    if situation.portfolio.system != "smart-0dte":
        found.append(
            item("allocation", "Open and reserved in this stock", account.allocation(row.underlying_id), "USD",
                 "positions and live orders", situation.at)
        )  # fmt: skip
        found += _fundamentals(judged, i, item)
    return found


def scaling_note(scaled: Scaled) -> str:
    """Why the size scales with this confidence: "as the signal says: 3 of 30 closed trades"."""
    if scaled.unproven:
        return f"its source has not {scaled.needed} closed trades yet: the minimum bet"
    if scaled.under_break_even:
        return f"bets from {scaled.tier:g} on were won less often than they must be: the minimum bet until reviewed"
    if not scaled.calibrates:
        return f"as the signal says; {scaled.trades} of the {scaled.needed} closed trades that a calibration needs"
    won = f"{scaled.trades} closed trades, {100 * scaled.base:.1f}% won"
    return f"{won}: calibrated {scaled.calibrated:.6g}" + ("" if scaled.value < scaled.raw else ", which never raises")


def scaling_said(scaled: Scaled) -> list[dict[str, str]]:
    """A sentence where the size scales with less than the signal says: who sees ×1 beside 0.72 must be told why."""
    if scaled.value >= scaled.raw:
        return []
    with_what = "the minimum bet" if scaled.value <= 0 else f"{scaled.value:.2f}"
    why = f"not with {scaled.raw:.2f}: {scaling_note(scaled)}"
    text = f"The size scales with {with_what}, {why}. The gate reads {scaled.raw:.2f}."
    return [{"code": "CONFIDENCE_SCALED", "text": text}]


def _correlation(judged: Judged, i: int, item: Any) -> list[dict[str, Any]]:
    held, candidates = judged.situation.account.committed, judged.candidates
    labels = judged.situation.facts.correlations.labels
    if not len(held.contracts):
        return [item("correlation", "Correlation", None, "", "no other position is open")]
    own = candidates.quotes.rows[i].underlying_id
    rho = candidates.pair_correlation[candidates.pair_row == i].tolist()
    bets: dict[int, list[int]] = {}  # by underlying: with many bets in one, the correlation is one figure
    for place, underlying in enumerate(held.underlyings()):
        bets.setdefault(underlying, []).append(place)

    def note(underlying: int, count: int) -> str:
        whose = [labels[each] for each in dict.fromkeys((own, underlying)) if each in labels]
        return "; ".join([*whose, f"{count} bets"] if count > 1 else whose)

    return [
        item("correlation", f"Correlation with {held.quotes.rows[places[0]].underlying}", rho[places[0]], "-1 to 1",
             "daily closes", note=note(underlying, len(places)))
        for underlying, places in bets.items()
    ]  # fmt: skip


def _fundamentals(judged: Judged, i: int, item: Any) -> list[dict[str, Any]]:
    candidates = judged.candidates
    row = judged.situation.facts.fundamentals.get(candidates.quotes.rows[i].underlying_id)
    if row is None:
        return [item("score", "Fundamental score", None, "score", "no fundamentals recorded")]
    note = "illustrative, not real" if row.is_illustrative else ""
    source = f"{row.source}, as of {row.as_of_on}"
    points = [
        item(
            part["factor"], part["label"], part["points"], "score points", source,
            note="; ".join(filter(None, (_given(part["inputs"]), note))),
        )
        for part in breakdown(candidates.fundamentals, candidates.score, i)
    ]  # fmt: skip
    return [item("score", "Fundamental score", float(candidates.score.score[i]), "0 to 1", source, note=note), *points]


def _given(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in values.items() if value is not None)
