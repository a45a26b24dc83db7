-- Batches of one epoch that were joined, once they were old enough: their rows are gone from `journal`. `received_at` is when the last
-- of them came.
CREATE TABLE blocks (
  id          INTEGER PRIMARY KEY,
  agent       TEXT    NOT NULL,
  epoch       INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  count       INTEGER NOT NULL,
  skip        INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  checksum    INTEGER NOT NULL,
  columns     BLOB    NOT NULL
) STRICT;
CREATE INDEX blocks_received ON blocks (received_at);
