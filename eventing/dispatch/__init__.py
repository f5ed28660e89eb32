"""From the channel to the subscribers: the I/O around policy and filters (DATAPATH)."""
