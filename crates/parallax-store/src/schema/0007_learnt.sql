-- What the aggregator has learnt of each watched target over longer than its windows reach back, in the aggregator's own bytes.
CREATE TABLE learnt (
  target TEXT    NOT NULL PRIMARY KEY,
  at     INTEGER NOT NULL,
  state  BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX learnt_at ON learnt (at);
