"""What the import commands share: arguments, progress, summary, one-line errors."""

from abc import ABC, abstractmethod
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from positions.services.imports.run import Kind, import_file
from positions.services.imports.source_file import UnusableFile

DEFAULT_SOURCE = "recorded"
MAX_SOURCE_LENGTH = 40


class ImportCommand(ABC, BaseCommand):
    """Import one CSV file, plain or gzipped. Running it twice changes nothing; bad rows are listed in a rejects file.

    Exit code 0: imported (also when single rows were rejected). 1: the file cannot be used, nothing was imported.
    """

    requires_system_checks = ()
    has_bars = False
    longest_source = MAX_SOURCE_LENGTH

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="CSV file, plain or .gz, up to 200 MB uncompressed")
        parser.add_argument("--source", default=DEFAULT_SOURCE, help=f"label stored with the rows ({DEFAULT_SOURCE})")
        parser.add_argument("--rejects", type=Path, metavar="PATH", help="where bad rows go (FILE.rejects.csv)")
        if self.has_bars:
            parser.add_argument(
                "--bar-minutes", type=int, default=1, help="length of a bar, stamped with its start (1)"
            )
        self.add_kind_arguments(parser)

    def add_kind_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of this kind of file only."""

    @abstractmethod
    def kind(self, options: dict[str, Any]) -> Kind:
        """What the rows of this command's file are."""

    def handle(self, *args: object, **options: Any) -> None:
        source = options["source"].strip()
        if not 1 <= len(source) <= self.longest_source:
            raise CommandError(f"--source must have 1 to {self.longest_source} characters.")
        if not 1 <= options.get("bar_minutes", 1) <= 1440:
            raise CommandError("--bar-minutes must be between 1 and 1440.")
        shows_progress = self.stderr.isatty() and options["verbosity"] > 0
        try:
            report = import_file(
                self.kind(options),
                options["file"],
                source=source,
                rejects_path=options["rejects"],
                progress=self._progress if shows_progress else None,
            )
        except UnusableFile as error:
            raise CommandError(f"{error} Nothing was imported.") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Nothing was imported.", returncode=130) from None
        finally:
            if shows_progress:
                self._show("\r\x1b[K")
        if report.rejected == report.read:
            raise CommandError(report.summary)
        if options["verbosity"] > 0:
            self.stdout.write(report.summary)

    def _progress(self, bytes_read: int, bytes_total: int, rows: int) -> None:
        share = bytes_read / bytes_total if bytes_total else 1.0
        self._show(f"\r[{'#' * int(share * 30):<30}] {share:4.0%}  {rows:,} rows")

    def _show(self, text: str) -> None:
        """On the terminal, in plain colour: what runs well is no error."""
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()
