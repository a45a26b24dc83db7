-- Whether our own side is broken, in the aggregator's own JSON. One row, or none.
CREATE TABLE our_side (
  id    INTEGER PRIMARY KEY,
  at    INTEGER NOT NULL,
  state TEXT    NOT NULL
) STRICT;
