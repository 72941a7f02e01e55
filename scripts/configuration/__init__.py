"""What a configuration means, and whether it can run: found out before anything is built."""
