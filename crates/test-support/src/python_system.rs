//! Databases of the Python system of 2022 on MySQL 5.7, for tests of the migration.

use crate::mysql::numbers;

/// Its tables with roles and measure types only. As in that system, no username, e-mail or
/// measure type is unique, ids are signed, times are seconds, and text ignores case.
pub const SCHEMA: &str = "
CREATE TABLE ROLES (
    ID TINYINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    NAME VARCHAR(9) NOT NULL
) DEFAULT CHARACTER SET latin1;
CREATE TABLE USERS (
    ID VARCHAR(30) NOT NULL PRIMARY KEY,
    NAME VARCHAR(50) NOT NULL,
    USERNAME VARCHAR(30) NOT NULL,
    EMAIL VARCHAR(100) NOT NULL,
    ROLE TINYINT NOT NULL,
    FOREIGN KEY (ROLE) REFERENCES ROLES (ID)
) DEFAULT CHARACTER SET latin1;
CREATE TABLE EXPERIMENTS (
    ID MEDIUMINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    NAME VARCHAR(255) NOT NULL UNIQUE
) DEFAULT CHARACTER SET latin1;
CREATE TABLE USER_EXPERIMENTS (
    USER_ID VARCHAR(30) NOT NULL,
    EXPERIMENT_ID MEDIUMINT NOT NULL,
    PRIMARY KEY (USER_ID, EXPERIMENT_ID),
    FOREIGN KEY (USER_ID) REFERENCES USERS (ID),
    FOREIGN KEY (EXPERIMENT_ID) REFERENCES EXPERIMENTS (ID)
) DEFAULT CHARACTER SET latin1;
CREATE TABLE MEASURE_TYPES (
    ID SMALLINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    NAME VARCHAR(14) NOT NULL,
    SYMBOL VARCHAR(3) NOT NULL,
    QUANTITY VARCHAR(61) NOT NULL
) DEFAULT CHARACTER SET latin1;
CREATE TABLE MEASURES (
    ID BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    TYPE SMALLINT NOT NULL,
    TIMESTAMP TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    EXPERIMENT_ID MEDIUMINT NOT NULL,
    MEASURE_VALUE DOUBLE NOT NULL,
    FOREIGN KEY (TYPE) REFERENCES MEASURE_TYPES (ID),
    FOREIGN KEY (EXPERIMENT_ID) REFERENCES EXPERIMENTS (ID)
) DEFAULT CHARACTER SET latin1;
INSERT INTO ROLES (NAME) VALUES ('ADMIN'), ('SCIENTIST');
INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) VALUES
    ('hertz', 'Hz', 'frequency'), ('radian', 'rad', 'angle'), ('steradian', 'sr', 'solid angle'),
    ('newton', 'N', 'force, weight'), ('pascal', 'Pa', 'pressure, stress'), ('joule', 'J', 'energy, work, heat'),
    ('watt', 'W', 'power, radiant flux'), ('coulomb', 'C', 'electric charge'), ('volt', 'V', 'voltage'),
    ('farad', 'F', 'electrical capacitance'), ('ohm', 'O', 'electrical resistance'),
    ('siemens', 'S', 'electrical conductance'), ('weber', 'Wb', 'magnetic flux'), ('tesla', 'T', 'magnetic induction'),
    ('henry', 'H', 'electrical inductance'), ('degree Celsius', '°C', 'temperature relative to 273.15 K'),
    ('lumen', 'lm', 'luminous flux'), ('lux', 'lx', 'illuminance'), ('becquerel', 'Bq', 'radioactivity'),
    ('gray', 'Gy', 'absorbed dose'), ('sievert', 'Sv', 'equivalent dose'), ('katal', 'kat', 'catalytic activity');
";

/// Rows for [`SCHEMA`]: three users, two experiments, each with a scientist.
pub const PEOPLE: &str = "
INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, ROLE) VALUES
    ('A001', 'Allan Alcorn', '5MS0kr1nE5Qm7ZNzAyHNCVfapcf2', 'aalcorn@home.cern', 1),
    ('S001', 'Peter Higg', 'uJayGH994iVa2TY5auSNYZoUpwk1', 'phigg@home.cern', 2),
    ('S002', 'Zoë Bouman', 'hirbBCceXlWUGdpNHUpaNtworjm2', 'kbouman@home.cern', 2);
INSERT INTO EXPERIMENTS (NAME) VALUES ('device-vibrations'), ('black-holes');
INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES ('S001', 1), ('S002', 2);
";

/// A statement that adds measures of both experiments and all types. Some have equal times, their
/// order is not that of time, and their values have many digits.
pub fn add_measures(count: u32) -> String {
    format!(
        "INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) \
         SELECT 1 + seq % 22, FROM_UNIXTIME(1650000000 + (seq * 7919) % 500000), 1 + seq % 2, \
         (seq * 1e0 - 1000) * 1.1e0 / 3e0 FROM {} ORDER BY seq",
        numbers(count)
    )
}
