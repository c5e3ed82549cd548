"""The only write path. If it changes history, it goes through here.

``preparation`` turns validated events into sealed, folded records-to-be, in the caller's own thread and
before any lock; ``recorder`` numbers, chains, stores and signs them in groups; ``installation`` creates and
opens what a log consists of: keys, signer state, store.
"""
