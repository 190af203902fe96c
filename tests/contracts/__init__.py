"""The sentences of the ports, shown on the fakes and on the real things alike."""
