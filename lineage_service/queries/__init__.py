"""The questions: one function each, pure composition of store reads.

The rules of reading (executions, writes, versions, periods) are specified in ``graph_schema/README.md``; each
has a module of its own here, named for its noun. Policy rules and reports call the same functions, so a rule
that blocked a promotion and an auditor's report can never disagree.
"""
