//! Values that are missing, invalid, or have their own units and sensors.

use super::{HERTZ, csv, read};

const NDJSON: &str = "[format]\nkind = \"ndjson\"\n[timestamp]\nfield = \"t\"\n";
const TWO: &str = "[[measures]]\nmeasure = \"degree Celsius\"\nvalue = \"s.c\"\n[[measures]]\nmeasure = \"pascal\"\nvalue = \"s.p\"\nscale = 100\n";

#[tokio::test]
async fn a_null_or_absent_value_is_omitted_alone() {
    let content = "{\"t\":1650000000,\"s\":{\"c\":21.5,\"p\":1013.2}}\n{\"t\":1650000060,\"s\":{\"c\":21.6,\"p\":null}}\n{\"t\":1650000120,\"s\":{\"c\":21.7}}\n";
    let found = read(content.as_bytes(), &format!("{NDJSON}{TWO}")).await;
    assert_eq!((found.code, found.values()), (0, vec![21.5, 101_320.0, 21.6, 21.7]), "{found:?}");

    let xml = "<r><s t='1650000000'><c>21.5</c><p>101320</p></s><s t='1650000060'><c>21.6</c></s><s t='1650000060'><c/><p>1</p></s></r>";
    let description = "[format]\nkind = \"xml\"\nrecords = \"r/s\"\n[timestamp]\nfield = \"@t\"\n[[measures]]\nmeasure = \"degree Celsius\"\nvalue = \"c\"\n[[measures]]\nmeasure = \"pascal\"\nvalue = \"p\"\n";
    let found = read(xml.as_bytes(), description).await;
    assert_eq!((found.code, found.values()), (0, vec![21.5, 101_320.0, 21.6, 1.0]), "{found:?}");

    let csv = csv("time,v\n1650000000,\n1650000001, \n1650000002,3\n").await;
    assert_eq!((csv.code, csv.values()), (0, vec![3.0]), "{csv:?}");
}

#[tokio::test]
async fn nan_and_infinity_are_missing_values() {
    let content = "{\"t\":1650000000,\"s\":{\"c\":NaN,\"p\":1}}\n{\"t\":1650000060,\"s\":{\"c\":-Infinity,\"p\":2,\"x\":\"NaN\"}}\n";
    let found = read(content.as_bytes(), &format!("{NDJSON}{TWO}")).await;
    assert_eq!((found.code, found.values()), (0, vec![100.0, 200.0]), "{found:?}");
}

#[tokio::test]
async fn a_field_that_no_record_has_is_an_error() {
    let content = "{\"t\":1650000000,\"s\":{\"c\":21.5}}\n{\"t\":1650000060,\"s\":{\"c\":21.6}}\n";
    let found = read(content.as_bytes(), &format!("{NDJSON}{TWO}")).await;
    assert!(found.code == 3 && found.said.contains("no record has `s.p`"), "{found:?}");
    let optional = read(content.as_bytes(), &format!("{NDJSON}{TWO}required = false\n")).await;
    assert_eq!(optional.code, 0, "{optional:?}");
    let required = read(content.as_bytes(), &format!("{NDJSON}{TWO}required = true\n")).await;
    assert!(required.code == 3 && required.said.contains("is missing, and is required"), "{required:?}");
    assert_eq!(required.values(), [21.5, 21.6], "the good values of the records are kept");
    let none = read(content.as_bytes(), &format!("{NDJSON}{HERTZ}")).await;
    assert!(none.code == 3 && none.said.contains("none of the 2 records has `v`"), "{none:?}");
}

#[tokio::test]
async fn a_bad_value_discards_the_others_only_with_whole_records() {
    let content = "time,a,b\n1650000000,1,x\n1650000001,2,3\nyesterday,4,5\n";
    let description = "[format]\nkind = \"csv\"\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"volt\"\nvalue = \"a\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"b\"\n";
    let found = read(content.as_bytes(), description).await;
    assert_eq!((found.code, found.values()), (3, vec![1.0, 2.0, 3.0]), "{found:?}");
    assert!(
        found.said.contains("3 records read") && found.said.contains("2 records could not be read"),
        "{found:?}"
    );
    let whole = read(content.as_bytes(), &format!("whole_records = true\n{description}")).await;
    assert_eq!((whole.code, whole.values()), (3, vec![2.0, 3.0]), "{whole:?}");
}

#[tokio::test]
async fn markers_of_missing_values_are_compared_as_numbers() {
    let content = "time,a,b\n1645100516,656.9,-9999\n1645100517,9.99999999e+37,-9999.0\n1645100519,+9.90000000E+37,-9999.00\n1645100522,0.0488,-9.999E+03\n";
    let description = |missing: &str| {
        format!(
            "[format]\nkind = \"csv\"\nmissing = {missing}\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"volt\"\nvalue = \"a\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"b\"\n"
        )
    };
    for (missing, values) in [
        ("[\"-9999\", \"9.9E37\"]", vec![656.9, 9.999_999_99e37, 0.0488]),
        ("[\"-9999\", \"9.9E37\", \"9.99999999E+37\"]", vec![656.9, 0.0488]),
        ("[-9999, \">= 9.9e37\"]", vec![656.9, 0.0488]),
        ("[\"<=-9999\", \">1e30\"]", vec![656.9, 0.0488]),
    ] {
        let found = read(content.as_bytes(), &description(missing)).await;
        assert_eq!((found.code, found.values()), (0, values), "{missing}: {found:?}");
    }
    let wrong = read(content.as_bytes(), &description("[\">\"]")).await;
    assert!(wrong.code == 2 && wrong.said.contains("`format.missing`"), "{wrong:?}");
    // A marker of one measure is a value of another.
    let per_measure = format!("{}missing = [0]\n", description("[]"));
    let found = read(b"time,a,b\n1645100516,0,0.0\n", &per_measure).await;
    assert_eq!((found.code, found.measures.len()), (0, 1), "{found:?}");
}

#[tokio::test]
async fn columns_of_one_measure_are_sensors_of_their_own() {
    let content = "time,T1,T2,T3\n1650000000,1,,3\n";
    let by_column = "[format]\nkind = \"csv\"\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"kelvin\"\nvalues = [\"T1\", \"T2\", \"T3\"]\n";
    let found = read(content.as_bytes(), by_column).await;
    let at = "2022-04-15T05:20:00Z";
    let expected = [format!("1.0 kelvin at {at} by T1"), format!("3.0 kelvin at {at} by T3")];
    assert_eq!((found.code, &found.measures[..]), (0, &expected[..]), "{found:?}");

    let by_field = "[format]\nkind = \"csv\"\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"kelvin\"\nvalue = \"v\"\nsensor = { field = \"id\", names = { a = \"oven\" } }\n";
    let found = read(b"time,id,v\n1650000000,a,1\n1650000000,b,2\n1650000000,,3\n", by_field).await;
    let sensors: Vec<_> = found.measures.iter().map(|it| it.rsplit_once("00Z").unwrap().1).collect();
    assert_eq!((found.code, sensors), (0, vec![" by oven", " by b", ""]), "{found:?}");

    let control = read(b"time,id,v\n1650000000,a\x07b,1\n", by_field).await;
    assert!(control.code == 3 && control.said.contains("`id`"), "{control:?}");
    let blank = read(content.as_bytes(), &by_column.replace("values", "sensor = \" \"\nvalues")).await;
    assert!(blank.code == 2 && blank.said.contains("`sensor` must"), "{blank:?}");
}

#[tokio::test]
async fn a_scale_can_depend_on_the_unit_that_a_column_holds() {
    let description = "[format]\nkind = \"csv\"\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"volt\"\nvalue = \"v\"\nscale = { field = \"unit\", values = { mV = 0.001, V = 1 } }\n";
    let found =
        read(b"time,v,unit\n1650000000,100,mV\n1650000001,2, V \n1650000002,3,kV\n", description).await;
    assert_eq!((found.code, found.values()), (3, vec![0.1, 2.0]), "{found:?}");
    assert!(found.said.contains("there is no factor for \\\"kV\\\""), "{found:?}");
}

#[tokio::test]
async fn groups_of_thousands_have_three_digits() {
    let description = "[format]\nkind = \"csv\"\ndelimiter = \";\"\ndecimal = \",\"\nthousands = \".\"\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"volt\"\nvalue = \"v\"\n";
    let found =
        read(b"time;v\n1650000000;1.234.567,5\n1650000001;12.5\n1650000002;0,25\n", description).await;
    assert_eq!((found.code, found.values()), (3, vec![1_234_567.5, 0.25]), "12.5 is not 125: {found:?}");
}
