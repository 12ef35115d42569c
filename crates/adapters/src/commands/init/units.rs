/// Units as instruments write them, the measure type of each, and the conversion to it.
const UNITS: [(&[&str], &str, &str); 38] = [
    (&["°C", "degC", "deg C", "Deg C", "C", "Celsius", "celsius"], "degree Celsius", ""),
    (
        &["°F", "degF", "deg F", "Deg F"],
        "degree Celsius",
        "scale = \"0.5555555555555555555555555556\"\noffset = \"-17.777777777777777777777777778\"",
    ),
    (&["K", "kelvin", "Kelvin"], "kelvin", ""),
    (&["Hz", "hertz", "Hertz"], "hertz", ""),
    (&["mHz"], "hertz", "scale = 0.001"),
    (&["kHz"], "hertz", "scale = 1000"),
    (&["MHz"], "hertz", "scale = 1000000"),
    (&["V", "volt", "Volt", "volts", "Volts"], "volt", ""),
    (&["mV"], "volt", "scale = 0.001"),
    (&["µV", "uV"], "volt", "scale = 0.000001"),
    (&["kV"], "volt", "scale = 1000"),
    (&["A", "ampere", "Ampere", "amps", "Amps"], "ampere", ""),
    (&["mA"], "ampere", "scale = 0.001"),
    (&["µA", "uA"], "ampere", "scale = 0.000001"),
    (&["W", "watt", "Watt"], "watt", ""),
    (&["mW"], "watt", "scale = 0.001"),
    (&["kW"], "watt", "scale = 1000"),
    (&["Pa", "pascal", "Pascal"], "pascal", ""),
    (&["hPa", "mbar", "mBar"], "pascal", "scale = 100"),
    (&["kPa"], "pascal", "scale = 1000"),
    (&["MPa"], "pascal", "scale = 1000000"),
    (&["bar"], "pascal", "scale = 100000"),
    (&["%", "%RH", "percent", "Percent"], "percent", ""),
    (&["m", "metre", "meter"], "metre", ""),
    (&["cm"], "metre", "scale = 0.01"),
    (&["mm"], "metre", "scale = 0.001"),
    (&["µm", "um"], "metre", "scale = 0.000001"),
    (&["km"], "metre", "scale = 1000"),
    (&["s", "sec", "second", "seconds"], "second", ""),
    (&["ms"], "second", "scale = 0.001"),
    (&["lx", "lux", "Lux"], "lux", ""),
    (&["N", "newton", "Newton"], "newton", ""),
    (&["J", "joule", "Joule"], "joule", ""),
    (&["Ω", "ohm", "Ohm", "ohms"], "ohm", ""),
    (&["T", "tesla", "Tesla"], "tesla", ""),
    (&["mT"], "tesla", "scale = 0.001"),
    (&["rad"], "radian", ""),
    (&["Bq"], "becquerel", ""),
];

/// The measure type of a unit, and what converts values to it.
pub(super) fn measure_type(unit: &str) -> Option<(&'static str, &'static str)> {
    let known = UNITS.iter().find(|(names, ..)| names.contains(&unit));
    known.map(|(_, measure, conversion)| (*measure, *conversion))
}

/// The unit in a name such as `Druck [hPa]`, `Temperature (C)` or `pressure_hPa`, or a name that is
/// a unit.
pub(super) fn unit_in_name(name: &str) -> Option<String> {
    let bracketed = name.split_once(['[', '(']).and_then(|(_, rest)| rest.split([']', ')']).next());
    let last = name.rsplit(['_', ' ', '.', '/']).next().unwrap_or(name);
    // One letter may be the name of an axis or a channel.
    let is_unit = last.chars().count() > 1 && measure_type(last).is_some();
    bracketed.map(|unit| unit.trim().to_owned()).or_else(|| is_unit.then(|| last.to_owned()))
}
