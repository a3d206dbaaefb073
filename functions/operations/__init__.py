"""Operations on tables with a primary key: loads, deletions and exports as runs, and rows for whoever waits."""
