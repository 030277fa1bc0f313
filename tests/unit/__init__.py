"""Pure code, and loops with nothing behind them."""
