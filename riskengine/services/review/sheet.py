"""A kept snapshot in words: sections of figures and tables, the same on the page, on paper and in the PDF.

Only what was kept is read, and each figure says what it does not know. Text, not markup: whoever shows it escapes it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from riskengine.calculators import wording
from riskengine.services.review.section import Figure, Section, Table

UNKNOWN = "not known"
VERDICTS = {
    "luck": "this record cannot be told from luck",
    "few": "the interval lies on one side, and 30 trades or fewer still cannot tell it from luck",
    "one": "one trade says nothing",
    "above": "more than luck alone would usually bring, if these trades are independent of one another",
    "below": "a loss that bad luck alone would rarely bring",
    "none": "nothing to judge",
}


def sheet(snapshot: Mapping[str, Any]) -> dict[str, Section]:
    """By key, in the order in which they are read."""
    made = (
        _record(snapshot),
        _equity(snapshot["equity"], snapshot["returns"]),
        _decisions(snapshot["decisions"]),
        _refusals(snapshot["refusals"], snapshot["decisions"]),
        _exits(snapshot["exits"], snapshot["by"]["cause"]),
        _costs(snapshot["costs"], snapshot["record"]),
        _exposure(snapshot["exposure"]),
        _signals(snapshot["signals"], snapshot["by"]["tier"]),
        _guards(snapshot),
        _revisions(snapshot["revisions"]),
        _nights(snapshot["nights"]),
        _account(snapshot["account"]),
    )
    return {each.key: each for each in made}


# ---- The record ----


def _record(snapshot: Mapping[str, Any]) -> Section:
    record, title = snapshot["record"], "The record of this period"
    if not record["n"]:
        return Section("record", title, "No trade was closed in this period.")
    figures = [
        Figure("Profit or loss of closed trades", _signed(record["pnl"]), f"after {_usd(record['fees'])} of fees"),
        Figure("Per dollar bet", _share(record["expectancy"]), _interval(record, "expectancy_low", "expectancy_high")),
        Figure(
            "Won",
            f"{record['wins']:,} of {record['rated']:,}, {_percent(record['win_rate'])}",
            f"95% interval {_percent(record['low'])} to {_percent(record['high'])}; nothing without the figure before",
        ),
        Figure(
            "Average win, average loss",
            f"{_share(record['average_win'], 'no win')}, {_minus(record['average_loss'])}",
            "per dollar bet",
        ),
        Figure("Best trade", _signed(record["best"])),
        Figure("Worst trade", _signed(record["worst"])),
    ]
    lead = f"{record['n']:,} closed trade{'s' * (record['n'] != 1)}: {VERDICTS[record['verdict']]}."
    if late := snapshot.get("late"):
        lead += f" {late:,} of them closed before it and became known only after the review before."
    return Section("record", title, lead, figures, [_by(snapshot["by"]["underlying"], "By underlying", "Underlying")])


def _by(rows: Sequence[Mapping[str, Any]], caption: str, head: str) -> Table:
    return Table(
        caption,
        (head, "Closed", "P&L after fees", "Per dollar bet", "95% interval", "Won, 95% interval"),
        [
            (
                each["label"],
                f"{each['n']:,}",
                _signed(each["pnl"]),
                _share(each["expectancy"]),
                _range(each["expectancy_low"], each["expectancy_high"], "one trade has none"),
                f"{each['wins']:,} of {each['rated']:,}, {_percent(each['low'])} to {_percent(each['high'])}"
                if each["rated"]
                else "",
            )
            for each in rows
        ],
        frozenset({1, 2, 3}),
    )


def _valued(days: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """What is said beside the equity at the end, and before what is not in the profit: a period whose last sessions
    nobody could value ends with the one before them."""
    valued = [place for place, each in enumerate(days) if each["end"] is not None]
    if not valued or valued[-1] == len(days) - 1:
        return "as last valued", ""
    last, next_day = (day_words(days[place]["day"]) for place in (valued[-1], valued[-1] + 1))
    return f"of {last}: what came after was not valued yet", f"without what was made from {next_day} on; "


def _equity(equity: Mapping[str, Any], returns: Mapping[str, Any]) -> Section:
    title = "The account, marked to the market"
    if not equity["sessions"]:
        return Section("equity", title, "No session of this period is on record.")
    valued_to, without = _valued(equity["days"])
    figures = [
        Figure("Equity at the start", _usd(equity["start"])),
        Figure("Equity at the end", _usd(equity["end"]), valued_to),
        Figure(
            "Profit or loss",
            _signed(equity["profit"]),
            f"{without}{_signed(equity['deposits'])} paid in or out is not in it",
        ),
        Figure(
            "Deepest drawdown",
            _percent(equity["max_drawdown"]),
            "at the end of a day, from the highest day of the period; within a day "
            + (
                _percent(equity["worst_drawdown"]) if equity["worst_drawdown"] is not None else "not known: no readings"
            ),
        ),
        Figure(
            "Volatility of a day",
            _percent(returns["daily_volatility"]),
            f"of {returns['n']:,} session{'s' * (returns['n'] != 1)}",
        ),
    ]
    if foreseen := equity.get("projected_drawdown"):
        at_worst = f"{_minus(foreseen['low'])} to {_minus(foreseen['high'])}"
        figures.insert(4, Figure("Projected drawdown", at_worst, f"the deepest fall; {foreseen['source']}"))
    days = Table(
        "Day by day",
        ("Session", "Start", "End", "Paid in or out", "Profit or loss", "Of equity", "Drawdown"),
        [
            (
                day_words(each["day"]),
                _usd(each["start"]),
                _usd(each["end"]),
                _signed(each["deposits"]),
                _signed(each["profit"]),
                _share(each["return"]),
                _percent(each["drawdown"]),
            )
            for each in equity["days"]
        ],
        frozenset(range(1, 7)),
    )
    return Section("equity", title, "", figures, [days])


# ---- What was decided, and left ----


def _decisions(decisions: Mapping[str, Any]) -> Section:
    lead = f"{decisions['approved']:,} approved, {decisions['refused']:,} refused."
    if decisions["of"] > len(decisions["bets"]):
        lead += f" The last {len(decisions['bets']):,} of {decisions['of']:,} bets are listed."
    bets = Table(
        "Bets that were bought, held or closed",
        ("Bet", "Bought at", "Contracts", "Paid", "Of minimum", "Closed by", "P&L after fees", "As decided"),
        [
            (
                each["label"],
                _when(each["entry_at"]),
                f"{each['contracts']:,}",
                _usd(each["cost"]),
                wording.multiple(each["scale"]),
                each["cause"] or f"{each['open']:,} open",
                "open" if each["pnl"] is None else _signed(each["pnl"]),
                each["departed"] or "yes",
            )
            for each in decisions["bets"]
        ],
        frozenset({2, 3, 4, 6}),
    )
    return Section("decisions", "Bets and their decisions", lead, (), [bets] if decisions["bets"] else [])


def _refusals(refusals: Sequence[Mapping[str, Any]], decisions: Mapping[str, Any]) -> Section:
    tables = []
    if refusals:
        tables.append(
            Table(
                "Refused, by code",
                ("Code", "Times", "The last one said"),
                [(each["code"], f"{each['n']:,}", each["sentence"]) for each in refusals],
                frozenset({1}),
            )
        )
    if decisions["bound"]:
        tables.append(
            Table(
                "What set the size of what was approved",
                ("Rule", "Times"),
                [(each["label"], f"{each['n']:,}") for each in decisions["bound"]],
                frozenset({1}),
            )
        )
    return Section("refusals", "What the rules said", "" if refusals else "Nothing was refused.", (), tables)


def _exits(late: Sequence[Mapping[str, Any]], causes: Sequence[Mapping[str, Any]]) -> Section:
    lead = "No exit was late or failing, as far as alerts saw."
    if late:
        lead = "Alerts of exits: " + ", ".join(f"{each['title']} ({each['n']:,} times)" for each in late) + "."
    tables = [_by(causes, "By what closed the trade", "Closed by")] if causes else []
    return Section("exits", "Exits", lead, (), tables)


def _costs(costs: Mapping[str, Any], record: Mapping[str, Any]) -> Section:
    title = "What trading cost"
    if not record["n"]:
        return Section("costs", title, "No trade was closed in this period.")
    figures = [
        Figure("Premium paid", _usd(costs["premium"]), f"{record['n']:,} closed trades"),
        Figure("Fees", _usd(costs["fees"]), f"{_percent(costs['fees_share'])} of premium paid"),
        _slippage("Slippage of entries", costs["entry_slippage"], costs["entry_trades"]),
        _slippage("Slippage of exits", costs["exit_slippage"], costs["exit_trades"]),
        Figure("All of it", _usd(costs["all"]), f"{_percent(costs['share_of_premium'])} of premium paid"),
    ]
    return Section("costs", title, "", figures)


def _slippage(name: str, usd: float | None, trades: int) -> Figure:
    """Under nothing prices came towards the orders while they waited: no cost, which the sign alone does not say."""
    return Figure(name, _usd(usd), f"{'better than' if (usd or 0.0) < 0.0 else 'beyond'} the mid, {trades:,} trades")


def _exposure(exposure: Mapping[str, Any]) -> Section:
    average, traded, correlation = exposure["average"], exposure["traded"], exposure["correlation"]
    figures = [
        Figure("At risk at the most", _percent(exposure["highest"]), "of equity, of the five-minute readings"),
        Figure("At risk on average", _percent(average["exposed"]), f"of equity, {average['readings']:,} readings"),
        Figure(
            "Concentration of premium",
            UNKNOWN if traded["herfindahl"] is None else f"{traded['herfindahl']:.2f}",
            f"Herfindahl index over {traded['underlyings']:,} underlyings; 1 is one bet",
        ),
        Figure(
            "Move together",
            UNKNOWN if correlation["mean"] is None else f"{correlation['mean']:.2f}".replace("-", "−"),
            "mean correlation of what was traded" if correlation["mean"] is not None else correlation["unknown"],
        ),
    ]
    return Section("exposure", "How much was at risk, and in how many bets", "", figures)


def _signals(signals: Sequence[Mapping[str, Any]], tiers: Sequence[Mapping[str, Any]]) -> Section:
    tables = []
    if signals:
        tables.append(
            Table(
                "Signals, by what became of them",
                ("State", "Reason", "Times", "One of them said"),
                [(each["state"], each["dropped_code"], f"{each['n']:,}", each["example"]) for each in signals],
                frozenset({2}),
            )
        )
    if tiers:
        tables.append(_by(tiers, "Closed trades, by tier of confidence", "Confidence"))
    return Section("signals", "Signals and confidence", "" if signals else "No signal came.", (), tables)


# ---- Guards ----


def _guards(snapshot: Mapping[str, Any]) -> Section:
    alerts, breakers, states = snapshot["alerts"], snapshot["breakers"], snapshot["states"]
    unanswered = sum(each["unanswered"] for each in alerts)
    of = snapshot.get("breakers_of") or {
        "events": len(breakers),
        "tripped": sum(each["kind"] == "Tripped" for each in breakers),
    }
    lead = (
        f"{sum(each['n'] for each in alerts):,} alerts, {unanswered:,} that asked for an answer and got none; "
        f"breakers tripped {of['tripped']:,} time{'s' * (of['tripped'] != 1)}."
    )
    if of["events"] > len(breakers):
        lead += f" The last {len(breakers):,} of {of['events']:,} events of breakers are listed."
    tables = []
    if alerts:
        tables.append(
            Table(
                "Alerts, by code",
                ("Alert", "Severity", "Times", "Unanswered"),
                [(each["title"], each["severity"], f"{each['n']:,}", f"{each['unanswered']:,}") for each in alerts],
                frozenset({2, 3}),
            )
        )
    rows = [
        (_when(each["at"]), f"{each['label']}: {each['kind'].lower()}", each["who"], each["reason"])
        for each in breakers
    ]
    rows += [(_when(each["at"]), f"{each['from']} → {each['to']}", each["who"], each["reason"]) for each in states]
    if rows:
        tables.append(Table("Breakers and states", ("At", "What", "Who", "Why"), sorted(rows)))
    return Section("guards", "Breakers, states and alerts", lead, (), tables)


def _revisions(revisions: Sequence[Mapping[str, Any]]) -> Section:
    title = "Parameters"
    if not revisions:
        return Section("revisions", title, "Nothing was decided, and no revision came into force.")
    rows = [(f"{each['number']}", f"{each['decisions']:,}", each["author"], each["reason"]) for each in revisions]
    table = Table(
        "Revisions that decided, or came into force",
        ("Revision", "Decisions", "Author", "Why"),
        rows,
        frozenset({0, 1}),
    )
    return Section("revisions", title, "", (), [table])


def _nights(nights: Sequence[Mapping[str, Any]]) -> Section:
    title = "Nights"
    if not nights:
        return Section("nights", title, "No overnight report was made: nothing was held over a night, or none was due.")
    rows = [
        (
            f"before the {each['moment']}, {day_words(each['session'])}",
            f"{each['positions']:,}",
            UNKNOWN if each["worst_loss"] is None else _usd(-each["worst_loss"]),
            UNKNOWN
            if each["worst_loss"] is None or not each["equity"]
            else _percent(each["worst_loss"] / each["equity"]),
        )
        for each in nights
    ]
    head = ("Report", "Positions", "Worst of a 5% move", "Of equity")
    return Section("nights", title, "", (), [Table("Overnight reports", head, rows, frozenset({1, 2, 3}))])


def _account(account: Mapping[str, Any]) -> Section:
    figures = [
        Figure("Mode", account["mode_label"]),
        Figure("State", account["state"]),
        Figure("System", account["system"]),
        Figure("Market", account["clock"], "" if account["clock"] == "live" else account["clock_label"]),
    ]
    return Section("account", "The account then", "", figures)


# ---- Words ----


def day_words(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day:%a} {day.day} {day:%b %Y}"


def _when(at: str | None) -> str:
    return UNKNOWN if at is None else f"{at[:10]} {at[11:16]}"


def _usd(value: float | None) -> str:
    return UNKNOWN if value is None else wording.usd(value) if value else "$0"


def _signed(value: float | None) -> str:
    return f"+{wording.usd(value)}" if value is not None and value > 0 else _usd(value)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else wording.percent(value)


def _share(value: float | None, unknown: str = UNKNOWN) -> str:
    if value is None:
        return unknown
    return f"+{wording.percent(value)}" if value > 0 else wording.percent(value)


def _minus(value: float | None) -> str:
    return "no loss" if value is None else wording.percent(-value)


def _range(low: float | None, high: float | None, unknown: str) -> str:
    return unknown if low is None or high is None else f"{_share(low)} to {_share(high)}"


def _interval(record: Mapping[str, Any], low: str, high: str) -> str:
    found = _range(record[low], record[high], "")
    return f"95% interval {found}" if found else "an interval needs two trades"
