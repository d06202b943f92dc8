"""Recorded market data that comes with the product. Sources, licences and dirt: README.md beside the files."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent

SESSIONS = FOLDER / "xnys_sessions_2010_2027.csv.gz"
OVERRIDES = FOLDER / "xnys_overrides.csv"
QUOTES = (FOLDER / "spx_spxw_quotes.csv.gz", FOLDER / "goog_2015_quotes.csv.gz")
TRADES = (FOLDER / "spx_spxw_trades.csv.gz", FOLDER / "goog_2015_trades.csv.gz")
OPEN_INTEREST = (FOLDER / "spx_spxw_open_interest.csv.gz", FOLDER / "goog_2015_open_interest.csv.gz")
UNDERLYING_BARS = FOLDER / "underlying_minute_bars.csv.gz"
CLOSES = FOLDER / "mag7_daily_2010_2022.csv.gz"
INDEX_CLOSES = FOLDER / "sp500_daily_2010_2022.csv.gz"
VIX = FOLDER / "vix_daily.csv.gz"
FUNDAMENTALS = FOLDER / "fundamentals_illustrative.csv"

SESSIONS_SOURCE = "exchange_calendars 4.13.2"
OPTIONS_SOURCE = "Lean sample data (AlgoSeek)"
CLOSES_SOURCE = "Yahoo via tidytuesday 2023-02-07"
INDEX_CLOSES_SOURCE = "S&P 500 via skfolio datasets"
VIX_SOURCE = "Cboe via datasets/finance-vix"
ILLUSTRATIVE_SOURCE = "illustrative, not real"
