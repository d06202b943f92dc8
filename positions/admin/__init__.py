from positions.admin import market, portfolio, provider, trading

__all__ = ["market", "portfolio", "provider", "trading"]
