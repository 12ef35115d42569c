//! Parses the text of a field as the value of a measure.

use rust_decimal::Decimal;

/// How numbers are written in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberFormat {
    /// The decimal sign.
    pub(crate) decimal: char,
    /// The sign between groups of thousands, if the source has one.
    pub(crate) thousands: Option<char>,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { decimal: '.', thousands: None }
    }
}

/// The conversion of units: `value × scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) scale: Decimal,
    pub(crate) offset: Decimal,
}

impl Conversion {
    /// Whether it changes nothing.
    pub(crate) fn is_identity(self) -> bool {
        self.scale == Decimal::ONE && self.offset.is_zero()
    }

    /// Uses decimal arithmetic, in which 0.1 × 3 is 0.3. Numbers with too many digits are
    /// calculated in binary.
    fn apply(self, text: &str, number: f64) -> f64 {
        self.exact(text).unwrap_or_else(|| {
            let float = |decimal: Decimal| decimal.to_string().parse().unwrap_or(f64::NAN);
            number.mul_add(float(self.scale), float(self.offset))
        })
    }

    fn exact(self, text: &str) -> Option<f64> {
        let number = decimal(text)?;
        // A product with too many digits would be rounded here and again to a double.
        if number.scale() + self.scale.scale() > Decimal::MAX_SCALE {
            return None;
        }
        let converted = number.checked_mul(self.scale)?.checked_add(self.offset)?;
        converted.to_string().parse().ok()
    }
}

/// A decimal number with all of its digits; `None` if it has too many.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.strip_prefix('+').unwrap_or(text);
    match text.split_once(['e', 'E']) {
        None => Decimal::from_str_exact(text).ok(),
        Some((digits, _)) => {
            Decimal::from_str_exact(digits).ok()?;
            let number = Decimal::from_scientific(text).ok()?;
            // A number below the smallest one that a decimal holds would have become zero.
            (!number.is_zero() || Decimal::from_str_exact(digits).ok()?.is_zero()).then_some(number)
        }
    }
}

/// A number of a source, before its unit is converted.
pub(crate) struct Reading<'t> {
    /// The digits, with a decimal point.
    plain: std::borrow::Cow<'t, str>,
    /// The double nearest to the text; infinite if the number is too large.
    pub(crate) number: f64,
}

/// Reads a number.
///
/// # Errors
/// The text is not a number.
pub(crate) fn read(text: &str, format: NumberFormat) -> Result<Reading<'_>, String> {
    let plain = plain(text.trim(), format).ok_or_else(|| no_number(text, format))?;
    let number = plain.parse().map_err(|_| no_number(text, format))?;
    Ok(Reading { plain, number })
}

impl Reading<'_> {
    /// The value of a measure. Without a conversion it is the parsed double, unchanged.
    ///
    /// # Errors
    /// The number is too large for a double.
    pub(crate) fn converted(&self, conversion: Option<Conversion>) -> Result<f64, String> {
        let value = match conversion {
            None => self.number,
            Some(conversion) => conversion.apply(&self.plain, self.number),
        };
        if value.is_finite() {
            Ok(value)
        } else {
            Err(format!("{} is too large a number", quoted(&self.plain)))
        }
    }
}

/// The number with a decimal point. Words such as `inf` are not numbers.
pub(crate) fn plain(text: &str, format: NumberFormat) -> Option<std::borrow::Cow<'_, str>> {
    let is_plain =
        |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'));
    if format == NumberFormat::default() {
        return is_plain(text).then_some(text.into());
    }
    let mut plain = String::with_capacity(text.len());
    // The digits of the current group: 12.5 is not 125, and 12345.678 not 12345678.
    let (mut digits, mut is_grouped, mut is_whole) = (0, false, true);
    for character in text.chars() {
        match character {
            _ if Some(character) == format.thousands => {
                let is_group = if is_grouped { digits == 3 } else { (1..=3).contains(&digits) };
                if !is_group || !is_whole {
                    return None;
                }
                (digits, is_grouped) = (0, true);
                continue;
            }
            '0'..='9' => digits += 1,
            '+' | '-' if digits == 0 => {}
            '.' if format.decimal != '.' => return None,
            _ if is_whole && is_grouped && digits != 3 => return None,
            _ => is_whole = false,
        }
        plain.push(if character == format.decimal { '.' } else { character });
    }
    if is_whole && is_grouped && digits != 3 {
        return None;
    }
    is_plain(&plain).then_some(plain.into())
}

fn no_number(text: &str, format: NumberFormat) -> String {
    let hint = match format.decimal {
        _ if text.contains('\0') => " (is the source in UTF-16? then set `encoding`, such as \"utf-16le\")",
        '.' if text.contains(',') => " (is it a decimal comma? then set `decimal = \",\"`)",
        _ => "",
    };
    format!("{} is not a number{hint}", quoted(text))
}

/// A text in quotation marks for a message, cut if it is long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, format: NumberFormat, conversion: Option<Conversion>) -> Result<f64, String> {
        super::read(text, format)?.converted(conversion)
    }

    fn conversion(scale: &str, offset: &str) -> Conversion {
        Conversion { scale: scale.parse().unwrap(), offset: offset.parse().unwrap() }
    }

    fn read(text: &str, scale: &str, offset: &str) -> Result<f64, String> {
        let conversion = conversion(scale, offset);
        value(text, NumberFormat::default(), (!conversion.is_identity()).then_some(conversion))
    }

    #[test]
    fn a_number_without_a_conversion_arrives_to_the_bit() {
        for (text, expected) in [
            ("0.1", 0.1),
            (" -2.5\t", -2.5),
            ("+7", 7.0),
            ("1e-320", 1e-320),
            ("-0.0", -0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1.7976931348623157E308", f64::MAX),
            ("0.1000000000000000055511151231257827021181583404541015625", 0.1),
        ] {
            assert_eq!(read(text, "1", "0").unwrap().to_bits(), f64::to_bits(expected), "{text}");
        }
    }

    #[test]
    fn invalid_numbers_are_refused() {
        for text in
            ["", " ", "x", "inf", "-infinity", "NaN", "0x10", "1 000", "1_000", "1,5", "--1", "1e", "٣"]
        {
            assert!(read(text, "1", "0").unwrap_err().contains("is not a number"), "{text}");
        }
        assert!(read("1e999", "1", "0").unwrap_err().contains("too large"));
        assert!(read("1,5", "1", "0").unwrap_err().contains("decimal comma"));
        assert!(read("1\0", "1", "0").unwrap_err().contains("utf-16le"));
    }

    #[test]
    fn conversions_are_exact_in_decimal() {
        for (text, scale, offset, expected) in [
            ("0.1", "3", "0", 0.3),
            ("1.1", "1.1", "0", 1.21),
            ("25.5", "1", "273.15", 298.65),
            ("100", "0.001", "0", 0.1),
            ("1.1e1", "0.1", "0", 1.1),
            ("212", "0.5555555555555555555555555556", "-17.777777777777777777777777778", 100.0),
        ] {
            assert_eq!(read(text, scale, offset), Ok(expected), "{text} × {scale} + {offset}");
        }
    }

    #[test]
    fn numbers_with_too_many_digits_are_converted_in_binary() {
        assert_eq!(read("1e300", "2", "0"), Ok(2e300));
        assert_eq!(read("1e-300", "2", "0"), Ok(2e-300));
        assert!(read("1e308", "10", "0").unwrap_err().contains("too large"));
    }

    #[test]
    fn signs_of_other_countries_are_read() {
        let german = NumberFormat { decimal: ',', thousands: Some('.') };
        let swiss = NumberFormat { decimal: '.', thousands: Some('\'') };
        let comma = NumberFormat { decimal: ',', thousands: None };
        assert_eq!(value("1.234,5", german, None), Ok(1234.5));
        assert_eq!(value("1'234.5", swiss, None), Ok(1234.5));
        assert_eq!(value("0,1", comma, None), Ok(0.1));
        assert!(value("0.1", comma, None).is_err(), "a point is ambiguous here");
    }

    proptest! {
        #[test]
        fn every_double_survives_its_text(number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            prop_assert_eq!(read(&format!("{number}"), "1", "0").unwrap().to_bits(), number.to_bits());
            prop_assert_eq!(read(&format!("{number:e}"), "1", "0").unwrap().to_bits(), number.to_bits());
        }
    }
}
