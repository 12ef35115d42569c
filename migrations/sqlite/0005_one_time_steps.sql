-- What is done once in the life of the database and never again, such as adding the example data
-- (specification §12), even if its result was changed or removed since. DONE_AT is in nanoseconds since the
-- Unix epoch.
CREATE TABLE ONE_TIME_STEPS (
    NAME TEXT NOT NULL PRIMARY KEY,
    DONE_AT INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
