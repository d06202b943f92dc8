"""placeholder"""

SIMULATED = "simulated"


def is_simulated(source: str) -> bool:
    """Whether a source is made up here rather than a market's."""
    return source.lower().startswith(SIMULATED)
