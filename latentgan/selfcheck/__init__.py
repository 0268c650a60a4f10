"""Checks of losses, games and claims against what is known to be true."""
