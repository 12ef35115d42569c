-- What is measured, and the measures themselves (specification §2).

-- The named SI derived units, with what the SI Brochure (9th edition, table 4) says they measure. Adding one
-- is a row, not code. Rows are never removed and ids never change, since measures refer to them.
CREATE TABLE MEASURE_TYPES (
    ID INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT CHECK (ID BETWEEN 1 AND 65535),
    NAME TEXT NOT NULL UNIQUE,
    SYMBOL TEXT NOT NULL,
    QUANTITY TEXT NOT NULL
) STRICT;

INSERT INTO MEASURE_TYPES (ID, NAME, SYMBOL, QUANTITY) VALUES
    (1, 'hertz', 'Hz', 'frequency'),
    (2, 'radian', 'rad', 'plane angle'),
    (3, 'steradian', 'sr', 'solid angle'),
    (4, 'newton', 'N', 'force'),
    (5, 'pascal', 'Pa', 'pressure, stress'),
    (6, 'joule', 'J', 'energy, work, amount of heat'),
    (7, 'watt', 'W', 'power, radiant flux'),
    (8, 'coulomb', 'C', 'electric charge'),
    (9, 'volt', 'V', 'electric potential difference'),
    (10, 'farad', 'F', 'capacitance'),
    (11, 'ohm', 'Ω', 'electric resistance'),
    (12, 'siemens', 'S', 'electric conductance'),
    (13, 'weber', 'Wb', 'magnetic flux'),
    (14, 'tesla', 'T', 'magnetic flux density'),
    (15, 'henry', 'H', 'inductance'),
    (16, 'degree Celsius', '°C', 'Celsius temperature'),
    (17, 'lumen', 'lm', 'luminous flux'),
    (18, 'lux', 'lx', 'illuminance'),
    (19, 'becquerel', 'Bq', 'activity referred to a radionuclide'),
    (20, 'gray', 'Gy', 'absorbed dose, kerma'),
    (21, 'sievert', 'Sv', 'dose equivalent'),
    (22, 'katal', 'kat', 'catalytic activity');

-- TIMESTAMP holds nanoseconds since the Unix epoch.
--
-- ID grows in the order of arrival and tells equal measures apart.
--
-- MEASURE_VALUE is of type ANY, because a column of type REAL stores whole numbers as integers and so turns
-- -0.0 into 0.0.
--
-- IX_MEASURES_READING is what a page is read from: one range of it, in order, and nothing else, since it holds
-- all that is read.
--
-- There are no foreign keys here: checking two of them for each row costs speed, and nothing they could
-- protect from ever happens, since experiments and measure types are never deleted.
CREATE TABLE MEASURES (
    ID INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    TYPE INTEGER NOT NULL,
    TIMESTAMP INTEGER NOT NULL CHECK (TIMESTAMP >= 0),
    EXPERIMENT_ID INTEGER NOT NULL,
    MEASURE_VALUE ANY NOT NULL CHECK (typeof(MEASURE_VALUE) = 'real')
) STRICT;

CREATE INDEX IX_MEASURES_READING ON MEASURES (EXPERIMENT_ID, TIMESTAMP, ID, TYPE, MEASURE_VALUE);
