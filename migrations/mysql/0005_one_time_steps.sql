-- What is done once in the life of the database and never again, such as adding the example data
-- (specification §12), even if its result was changed or removed since. DONE_AT is in nanoseconds since the
-- Unix epoch.
CREATE TABLE ONE_TIME_STEPS (
    NAME VARCHAR(100) NOT NULL,
    DONE_AT BIGINT NOT NULL,
    PRIMARY KEY (NAME)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
