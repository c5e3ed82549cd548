"""The ledger: what makes the history checkable by somebody who does not trust us.

A map of the package, bottom to top; each module imports only those above it in this list:

- ``errors``: the exception tree.
- ``merkle``: RFC 6962 hashes, frontier, inclusion and consistency proofs. Pure.
- ``tiles``: the same tree cut into C2SP tlog-tiles of 256 hashes, for storage and for proofs. Pure.
- ``note``: C2SP signed notes: a text, a blank line, signature lines. Pure.
- ``checkpoint``: C2SP tlog-checkpoint: the signed head of a log (origin, size, root). Pure.
- ``keys``: signing keys, cosigning keys and 32-byte secrets, and the files that hold them.
- ``signer``: the stateful signer (and witness core) that never signs two heads that disagree.
"""
