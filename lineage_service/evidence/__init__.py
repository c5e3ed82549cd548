"""Evidence: what shows, to somebody who need not trust us, that the history is whole and the graph is its fold.

A map of the package, bottom to top; each module imports only those above it in this list:

- ``findings``: what a verification found, what it did not look at, and the exit code that follows.
- ``record_form``: one record's bytes: the profile, quickly, and the fields every record has.
- ``suspects``: from what does not fit in a sequence of records to the likely kind of tampering. Pure.
- ``verify``: the state machine over records: sequence, leaf hashes, chain, tree.
- ``trust``, ``heads_check``, ``since``: genesis, checkpoint and signer's memory, and what they are held against.
- ``state_root``: one hash over the whole graph, independent of the order in which facts arrived.
- ``rebuild``: records copied byte for byte into a fresh store and folded there.
- ``rows``, ``structure``, ``vault_check``: parts of a comparison of tables with the ledger.
- ``transcript_rows``, ``shown``, ``transcript``: a ledger in Neo4j as such tables, and what it shows beside them.
- ``deep``: every table against the ledger.
- ``inspection``: ``run_verify``, the one entry point of the command line.
"""
