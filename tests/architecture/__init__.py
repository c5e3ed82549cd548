"""What holds for the tree as a whole: layers, budgets, types, lint, words and what is shipped."""
