"""The yardstick as experts of other tools would write it."""
