from positions.admin import market, portfolio, trading

__all__ = ["market", "portfolio", "trading"]
