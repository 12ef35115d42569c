use mymonit_model::{MeasureTypeId, MeasureTypeName, Quantity, UnitSymbol};
use mymonit_services::ports::{Conflict, StorageError};

use crate::database::on_every_engine;

/// The named SI derived units with the quantities of the SI Brochure (9th edition, table 4), then
/// the others.
const EXPECTED: [(&str, &str, &str); 38] = [
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
    ("metre", "m", "length"),
    ("kilogram", "kg", "mass"),
    ("second", "s", "time"),
    ("ampere", "A", "electric current"),
    ("kelvin", "K", "thermodynamic temperature"),
    ("mole", "mol", "amount of substance"),
    ("candela", "cd", "luminous intensity"),
    ("one", "1", "dimensionless number"),
    ("percent", "%", "fraction"),
    ("decibel", "dB", "logarithmic ratio"),
    ("electronvolt", "eV", "energy"),
    ("litre", "L", "volume"),
    ("bar", "bar", "pressure"),
    ("minute", "min", "time"),
    ("hour", "h", "time"),
    ("degree", "°", "plane angle"),
];

on_every_engine! {
    async fn a_new_database_has_the_default_measure_types(database: Database) {
        let types = database.measure_types.list().await.unwrap();
        let ids: Vec<_> = types.iter().map(|each| each.id.get()).collect();
        assert_eq!(ids, (1..=38).collect::<Vec<_>>());
        let found: Vec<_> =
            types.iter().map(|each| (each.name.as_str(), &*each.symbol, &*each.quantity)).collect();
        assert_eq!(found, EXPECTED);
    }

    async fn an_older_database_gets_the_new_defaults_once_and_keeps_its_rows(database: Database) {
        database.execute("DELETE FROM MEASURE_TYPES WHERE ID > 22").await;
        database
            .execute("INSERT INTO MEASURE_TYPES (ID, NAME, SYMBOL, QUANTITY) VALUES (23, 'kelvin', 'k', 'heat')")
            .await;
        database.execute("DELETE FROM ONE_TIME_STEPS WHERE NAME = 'measure_types'").await;
        database.other_process().prepare().await.unwrap();
        let types = database.measure_types.list().await.unwrap();
        assert_eq!(types.len(), 38);
        assert_eq!((types[22].id.get(), types[22].symbol.as_str()), (23, "k"));
        assert_eq!(types.iter().filter(|each| each.name.as_str() == "kelvin").count(), 1);

        database.execute("DELETE FROM MEASURE_TYPES WHERE NAME = 'bar'").await;
        database.other_process().prepare().await.unwrap();
        assert_eq!(database.measure_types.list().await.unwrap().len(), 37);
    }

    async fn measure_types_are_added_and_corrected_with_unique_names_and_symbols(database: Database) {
        let name = |text| MeasureTypeName::new(text).unwrap();
        let symbol = |text| UnitSymbol::new(text).unwrap();
        let quantity = Quantity::new("torque").unwrap();
        let store = &database.measure_types;
        let torque = store.insert(&name("newton metre"), &symbol("Nm"), &quantity).await.unwrap();
        for (name, symbol, conflict) in [
            (name("newton metre"), symbol("new"), Conflict::MeasureTypeName),
            (name("new"), symbol("Nm"), Conflict::MeasureTypeSymbol),
        ] {
            let refused = store.insert(&name, &symbol, &quantity).await.unwrap_err();
            assert!(matches!(refused, StorageError::Conflict(found) if found == conflict), "{refused:?}");
        }
        assert!(store.correct(torque.id, &symbol("N m"), &quantity).await.unwrap());
        // The same again is no conflict with itself.
        assert!(store.correct(torque.id, &symbol("N m"), &quantity).await.unwrap());
        let refused = store.correct(torque.id, &symbol("Hz"), &quantity).await.unwrap_err();
        assert!(matches!(refused, StorageError::Conflict(Conflict::MeasureTypeSymbol)), "{refused:?}");
        assert!(!store.correct(MeasureTypeId::new(65535), &symbol("new"), &quantity).await.unwrap());
        let last = store.list().await.unwrap().pop().unwrap();
        assert_eq!((last.id, &*last.symbol, &*last.quantity), (torque.id, "N m", "torque"));
    }

    async fn of_two_types_added_at_once_with_one_symbol_one_is_refused(database: Database) {
        let add = |name: &'static str| {
            let store = database.measure_types.clone();
            async move {
                let (name, symbol) = (MeasureTypeName::new(name).unwrap(), UnitSymbol::new("x").unwrap());
                store.insert(&name, &symbol, &Quantity::new("any").unwrap()).await
            }
        };
        let (one, two) = tokio::join!(tokio::spawn(add("one x")), tokio::spawn(add("two x")));
        let done = [one.unwrap(), two.unwrap()].into_iter().filter(Result::is_ok).count();
        assert_eq!(done, 1);
    }
}
