"""The observers: each reads one system and translates what it saw into facts of the language."""
