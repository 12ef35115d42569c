-- Measures that have settled, in compressed blocks (docs/storage-format.md). A row of MEASURES
-- takes 50 to 100 bytes, a measure in a block takes 1 to 10, and a bin that covers a block is made
-- of the block's summaries alone.

-- A block holds measures of one experiment. Blocks of one experiment do not overlap in (TIMESTAMP,
-- ID). DATA of up to 8,000 bytes shares a page with another row; longer data take whole pages of
-- their own.
--
-- Descending pages begin at the index FIRST, ascending ones at the index LAST. FIRST repeats the
-- primary key, because a block's place can be read from it without the pages that hold DATA.
CREATE TABLE MEASURE_BLOCKS (
    EXPERIMENT_ID INT UNSIGNED NOT NULL,
    FIRST_TIMESTAMP BIGINT NOT NULL,
    FIRST_ID BIGINT UNSIGNED NOT NULL,
    LAST_TIMESTAMP BIGINT NOT NULL,
    LAST_ID BIGINT UNSIGNED NOT NULL,
    COUNT INT UNSIGNED NOT NULL,
    FORMAT TINYINT UNSIGNED NOT NULL,
    CRC INT UNSIGNED NOT NULL,
    DATA MEDIUMBLOB NOT NULL,
    PRIMARY KEY (EXPERIMENT_ID, FIRST_TIMESTAMP, FIRST_ID),
    KEY IX_MEASURE_BLOCKS_FIRST (EXPERIMENT_ID, FIRST_TIMESTAMP, FIRST_ID, LAST_TIMESTAMP, LAST_ID),
    KEY IX_MEASURE_BLOCKS_LAST (EXPERIMENT_ID, LAST_TIMESTAMP, LAST_ID)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row for each series in a block. SENSOR_ID is 0 for measures without a sensor. MEAN and M2 are
-- scaled and each the sum of two doubles. MariaDB stores -0.0 as 0.0: bit n of NEGATIVE_ZEROS says
-- that column n, counted from MINIMUM as 0, is -0.0.
CREATE TABLE MEASURE_BLOCK_SERIES (
    EXPERIMENT_ID INT UNSIGNED NOT NULL,
    BLOCK_TIMESTAMP BIGINT NOT NULL,
    BLOCK_ID BIGINT UNSIGNED NOT NULL,
    SENSOR_ID INT UNSIGNED NOT NULL,
    TYPE SMALLINT UNSIGNED NOT NULL,
    FIRST_TIMESTAMP BIGINT NOT NULL,
    LAST_TIMESTAMP BIGINT NOT NULL,
    COUNT INT UNSIGNED NOT NULL,
    MINIMUM DOUBLE NOT NULL,
    MAXIMUM DOUBLE NOT NULL,
    MEAN DOUBLE NOT NULL,
    MEAN_REST DOUBLE NOT NULL,
    M2 DOUBLE NOT NULL,
    M2_REST DOUBLE NOT NULL,
    NEGATIVE_ZEROS TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (EXPERIMENT_ID, BLOCK_TIMESTAMP, BLOCK_ID, SENSOR_ID, TYPE)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The one process that may write blocks: each of its transactions extends the lease. EXPIRES_AT is
-- in seconds of the database's clock since the Unix epoch. A row instead of GET_LOCK, which each
-- node of a cluster has for itself.
CREATE TABLE SEALING_LEASE (
    ID TINYINT UNSIGNED NOT NULL,
    HOLDER VARCHAR(36) NOT NULL,
    EXPIRES_AT BIGINT NOT NULL,
    PRIMARY KEY (ID)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO SEALING_LEASE (ID, HOLDER, EXPIRES_AT) VALUES (1, '', 0);
