"""The language of lineage: kinds, names, events, canonical bytes, the fold and the types of answers."""
