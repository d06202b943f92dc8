"""The import commands from the outside: one summary line, exit codes, one-line errors."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from positions.models import Fundamental, OptionQuote, VixReading

pytestmark = pytest.mark.django_db

TERMS = "2021-01-04 09:35:00,spxw,european,2021-01-04,P,3800"
TERM_COLUMNS = "ts,underlying,style,expiry,right,strike"
FILES = {
    "import_quotes": (f"{TERM_COLUMNS},bid,bid_size,ask,ask_size", f"{TERMS},43.2,16,44.4,16", "quotes"),
    "import_trades": (f"{TERM_COLUMNS},open,high,low,close,volume", f"{TERMS},43,44,42,43,5", "trade bars"),
    "import_open_interest": (f"{TERM_COLUMNS},open_interest", f"{TERMS},3515", "open interest rows"),
    "import_bars": ("ts,symbol,open,high,low,close,volume", "2021-01-04 09:30:00,spx,3,4,2,3,0", "underlying bars"),
    "import_closes": ("date,symbol,close,adj_close", "2021-01-04,AAPL,129.41,127.5", "daily closes"),
    "import_vix": ("DATE,OPEN,HIGH,LOW,CLOSE", "2021-01-04,23.04,29.19,22.56,26.97", "VIX sessions"),
    "import_fundamentals": ("symbol,as_of,pe_ratio", "AAPL,2015-11-16,12", "fundamentals"),
    "import_earnings": ("symbol,reports_on,timing", "AAPL,2021-01-27,amc", "earnings dates"),
    "import_ex_dividends": ("symbol,ex_on,amount_per_share", "AAPL,2021-02-05,0.205", "ex-dividend dates"),
    "import_events": ("starts_at,ends_at,reason", "2021-01-27 13:30,2021-01-27 15:00,FOMC", "events"),
    "import_sessions": (
        "session,open_utc,close_utc,early",
        "2021-01-04,2021-01-04 14:30:00+00:00,2021-01-04 21:00:00+00:00,False",
        "sessions",
    ),
}


def run(*arguments: object, **options: object) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out, **options)
    return out.getvalue()


@pytest.mark.parametrize("command", FILES)
def test_each_command_imports_its_file_once(command: str, tmp_path: Path) -> None:
    header, row, name = FILES[command]
    path = tmp_path / "file.csv"
    path.write_text(f"{header}\n{row}\n")
    assert run(command, path) == f"1 {name} read: 1 new, 0 already known, 0 rejected.\n"
    assert run(command, path) == f"1 {name} read: 0 new, 1 already known, 0 rejected.\n"


def test_single_bad_rows_do_not_fail_the_command(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    header, row, _ = FILES["import_quotes"]
    path.write_text(f"{header}\n{row}\n{row.replace('09:35', 'noon')}\n")
    out = run("import_quotes", path, source="a feed", rejects=tmp_path / "bad.csv")
    assert "1 new" in out
    assert "1 rejected: ts is not a time (YYYY-MM-DD HH:MM:SS) (1). See" in out
    assert (tmp_path / "bad.csv").read_text().splitlines()[1].startswith("3,ts is not a time")
    assert OptionQuote.objects.get().source == "a feed"


def test_a_file_without_one_good_row_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    header, row, _ = FILES["import_quotes"]
    path.write_text(f"{header}\n{row.replace('43.2', '-1')}\n")
    with pytest.raises(CommandError, match="1 rejected: bid is negative") as raised:
        run("import_quotes", path)
    assert raised.value.returncode == 1


def test_an_unusable_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(CommandError, match=r"lacks the columns .* Nothing was imported\.$") as raised:
        run("import_closes", path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("option", "value"), [("source", " "), ("source", "x" * 41), ("bar_minutes", 0)])
def test_options_are_checked(tmp_path: Path, option: str, value: object) -> None:
    with pytest.raises(CommandError, match="must"):
        run("import_quotes", tmp_path / "file.csv", **{option: value})


def test_options_of_single_kinds(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("\n".join(FILES["import_fundamentals"][:2]))
    run("import_fundamentals", path, illustrative=True)
    assert Fundamental.objects.get().is_illustrative
    path.write_text("\n".join(FILES["import_vix"][:2]))
    run("import_vix", path, index="VIX1D")
    assert VixReading.objects.get().index == "VIX1D"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_progress_and_then_only_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("\n".join(FILES["import_quotes"][:2]))
    terminal = Terminal()
    run("import_quotes", path, stderr=terminal, no_color=True)
    assert terminal.getvalue() == f"\r[{'#' * 30}] 100%  1 rows\r\x1b[K"


def test_a_log_sees_no_progress(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("\n".join(FILES["import_quotes"][:2]))
    log = io.StringIO()
    assert run("import_quotes", path, stderr=log, verbosity=0) == ""
    assert log.getvalue() == ""


def test_an_interrupt_says_that_nothing_was_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("positions.management.import_command.import_file", interrupt)
    with pytest.raises(CommandError, match=r"Interrupted\. Nothing was imported") as raised:
        run("import_quotes", tmp_path / "file.csv")
    assert raised.value.returncode == 130
