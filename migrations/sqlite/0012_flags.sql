-- Flags: measures of an experiment that are not to be used.
--
-- A flag is about the measures from FROM_TIMESTAMP (inclusive) to TO_TIMESTAMP (exclusive).
-- SENSOR_ID is NULL for every sensor and 0 for measures without one; TYPE is NULL for every measure
-- type. A withdrawn flag is deleted. A user who is erased keeps the row that USER_ID refers to.
CREATE TABLE FLAGS (
    ID INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    EXPERIMENT_ID INTEGER NOT NULL REFERENCES EXPERIMENTS (ID),
    FROM_TIMESTAMP INTEGER NOT NULL,
    TO_TIMESTAMP INTEGER NOT NULL,
    SENSOR_ID INTEGER,
    TYPE INTEGER REFERENCES MEASURE_TYPES (ID),
    REASON TEXT NOT NULL,
    USER_ID TEXT NOT NULL REFERENCES USERS (ID),
    CREATED_AT INTEGER NOT NULL
) STRICT;

CREATE INDEX IX_FLAGS_EXPERIMENT ON FLAGS (EXPERIMENT_ID, ID);

-- Whether the experiment has flags, kept by the transactions that set and withdraw them. Readings
-- of an experiment without flags do not look for any.
ALTER TABLE EXPERIMENTS ADD COLUMN IS_FLAGGED INTEGER NOT NULL DEFAULT 0 CHECK (IS_FLAGGED IN (0, 1));
