use crate::database::on_every_engine;

/// Specification §2, with the quantities of the SI Brochure (9th edition, table 4).
const EXPECTED: [(&str, &str, &str); 22] = [
    ("hertz", "Hz", "frequency"),
    ("radian", "rad", "plane angle"),
    ("steradian", "sr", "solid angle"),
    ("newton", "N", "force"),
    ("pascal", "Pa", "pressure, stress"),
    ("joule", "J", "energy, work, amount of heat"),
    ("watt", "W", "power, radiant flux"),
    ("coulomb", "C", "electric charge"),
    ("volt", "V", "electric potential difference"),
    ("farad", "F", "capacitance"),
    ("ohm", "Ω", "electric resistance"),
    ("siemens", "S", "electric conductance"),
    ("weber", "Wb", "magnetic flux"),
    ("tesla", "T", "magnetic flux density"),
    ("henry", "H", "inductance"),
    ("degree Celsius", "°C", "Celsius temperature"),
    ("lumen", "lm", "luminous flux"),
    ("lux", "lx", "illuminance"),
    ("becquerel", "Bq", "activity referred to a radionuclide"),
    ("gray", "Gy", "absorbed dose, kerma"),
    ("sievert", "Sv", "dose equivalent"),
    ("katal", "kat", "catalytic activity"),
];

on_every_engine! {
    async fn a_new_database_knows_the_named_si_units(database: Database) {
        let types = database.measure_types.list().await.unwrap();
        let ids: Vec<_> = types.iter().map(|each| each.id.get()).collect();
        assert_eq!(ids, (1..=22).collect::<Vec<_>>());
        let found: Vec<_> =
            types.iter().map(|each| (each.name.as_str(), &*each.symbol, &*each.quantity)).collect();
        assert_eq!(found, EXPECTED);
    }

    async fn adding_a_measure_type_is_a_row(database: Database) {
        database
            .execute("INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) VALUES ('kelvin', 'K', 'temperature')")
            .await;
        let types = database.measure_types.list().await.unwrap();
        assert_eq!((types.len(), types[22].id.get(), types[22].name.as_str()), (23, 23, "kelvin"));
    }
}
