"""Where the ledger and the graph live: one protocol, native implementations that share promises, not code."""
