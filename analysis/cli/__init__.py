"""What every command shares: options, the job that a command runs, what becomes of errors."""
