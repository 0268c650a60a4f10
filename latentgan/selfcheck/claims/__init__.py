"""What latentgan claims, simulated: how often noise is called an effect, intervals miss, and real effects are found."""
