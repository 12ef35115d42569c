-- Flags: measures of an experiment that are not to be used.
--
-- A flag is about the measures from FROM_TIMESTAMP (inclusive) to TO_TIMESTAMP (exclusive).
-- SENSOR_ID is NULL for every sensor and 0 for measures without one; TYPE is NULL for every measure
-- type. A withdrawn flag is deleted. A user who is erased keeps the row that USER_ID refers to.
CREATE TABLE FLAGS (
    ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    EXPERIMENT_ID INT UNSIGNED NOT NULL,
    FROM_TIMESTAMP BIGINT NOT NULL,
    TO_TIMESTAMP BIGINT NOT NULL,
    SENSOR_ID INT UNSIGNED NULL,
    TYPE SMALLINT UNSIGNED NULL,
    REASON VARCHAR(500) NOT NULL,
    USER_ID VARCHAR(30) NOT NULL,
    CREATED_AT BIGINT NOT NULL,
    PRIMARY KEY (ID),
    KEY IX_FLAGS_EXPERIMENT (EXPERIMENT_ID, ID),
    CONSTRAINT FK_FLAGS_EXPERIMENT FOREIGN KEY (EXPERIMENT_ID) REFERENCES EXPERIMENTS (ID),
    CONSTRAINT FK_FLAGS_TYPE FOREIGN KEY (TYPE) REFERENCES MEASURE_TYPES (ID),
    CONSTRAINT FK_FLAGS_USER FOREIGN KEY (USER_ID) REFERENCES USERS (ID)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Whether the experiment has flags, kept by the transactions that set and withdraw them. Readings
-- of an experiment without flags do not look for any.
ALTER TABLE EXPERIMENTS ADD COLUMN IS_FLAGGED BOOLEAN NOT NULL DEFAULT FALSE;
