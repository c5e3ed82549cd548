-- What many records say of one node in the same words lies together, so that a reader can pass over the repeats: a
-- training environment that ten thousand runs describe costs a question two rows and not ten thousand.
CREATE TABLE property_in_order(
  node INTEGER NOT NULL, registers TEXT NOT NULL, ord BLOB NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(node, registers, ord)
) STRICT, WITHOUT ROWID;
INSERT INTO property_in_order(node, registers, ord, seq)
  SELECT node, registers, ord, seq FROM property ORDER BY node, registers, ord;
DROP TABLE property;
ALTER TABLE property_in_order RENAME TO property;

-- No question goes by it, and it was a tenth of all pages written: points of an actor are found through the records.
DROP INDEX point_by_actor;
