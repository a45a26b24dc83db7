-- Until when what came is counted into minutes; written with them. One row, or none.
CREATE TABLE counted (
  id       INTEGER PRIMARY KEY,
  until_at INTEGER NOT NULL
) STRICT;
