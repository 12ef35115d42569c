-- What is known of messages from the broker (specification §4).

-- Every message-id that was seen within the deduplication window. SEEN_AT is when (nanoseconds since the
-- Unix epoch), or NULL while the message is kept among the rejected ones: such an id is not forgotten, or
-- a redelivery would be rejected twice. Whoever removes the rejected message because it is stored at last sets
-- SEEN_AT; whoever discards it removes the id with it.
CREATE TABLE MESSAGE_IDS (
    MESSAGE_ID VARBINARY(255) NOT NULL,
    SEEN_AT BIGINT NULL,
    PRIMARY KEY (MESSAGE_ID),
    KEY IX_MESSAGE_IDS_SEEN_AT (SEEN_AT)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The messages that can never be stored, kept whole. PROPERTIES is a JSON object, kept as the text it is.
--
-- A page of them is one range of one of the two indexes, in order: last received first, all or those of one
-- reason, between any two moments. In the order of their ids a page of some hour in the past would begin with
-- reading all that came since.
CREATE TABLE REJECTED_MESSAGES (
    ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    REASON VARCHAR(64) NOT NULL,
    DETAIL LONGTEXT NOT NULL,
    RECEIVED_AT BIGINT NOT NULL,
    MESSAGE_ID VARBINARY(255) NULL,
    PROPERTIES LONGTEXT NOT NULL,
    SIZE BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (ID),
    UNIQUE KEY UK_REJECTED_MESSAGES_MESSAGE_ID (MESSAGE_ID),
    KEY IX_REJECTED_MESSAGES_RECEIVED (RECEIVED_AT, ID),
    KEY IX_REJECTED_MESSAGES_REASON (REASON, RECEIVED_AT, ID)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Their bodies, in chunks numbered from 0, so that a body of any size passes whatever max_allowed_packet is.
CREATE TABLE REJECTED_MESSAGE_BODIES (
    REJECTED_MESSAGE_ID BIGINT UNSIGNED NOT NULL,
    CHUNK INT UNSIGNED NOT NULL,
    BODY MEDIUMBLOB NOT NULL,
    PRIMARY KEY (REJECTED_MESSAGE_ID, CHUNK),
    CONSTRAINT FK_REJECTED_MESSAGE_BODIES FOREIGN KEY (REJECTED_MESSAGE_ID)
        REFERENCES REJECTED_MESSAGES (ID) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
