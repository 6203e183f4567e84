"""Sound devices of the machine, and signal processing that several packages share."""
