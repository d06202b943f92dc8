"""`python -m tests.crash [--long] [--seed N]`: the crash test with its figures, without pytest."""

import argparse
import random
import sys

from tests.crash.plan import run
from tests.crash.session import Session

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="100 kills in place of 10")
    parser.add_argument("--kills", type=int, help="another number of kills")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = parser.parse_args()
    session = Session(options.seed)
    try:
        session.start()
        figures = run(session, options.kills or (100 if options.long else 10))
        print(figures)
        if figures.failures:
            print(session.said()[-4000:])
    finally:
        session.end()
    sys.exit(1 if figures.failures else 0)
