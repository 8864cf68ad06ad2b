"""Rules: folds attendance into pupils, judges every day, and writes the steps of their cases."""
