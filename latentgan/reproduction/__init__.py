"""Published figures, measured again and recorded."""
