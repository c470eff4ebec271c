"""Engram and its peers side by side: what `Tools/peers` runs. A comparison is a file and a line in `__main__`."""
