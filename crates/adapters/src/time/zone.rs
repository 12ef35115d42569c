//! Parses time zones of descriptions.

use jiff::tz::TimeZone;

use super::iso::parse_offset;

/// The allowed values, for errors.
pub(crate) const ALLOWED: &str =
    "a name of the time zone database, such as `Europe/Zurich` or `UTC`, or an offset, such as `+01:00`";

/// The time zone of a name, or of a fixed offset: `+01:00`, `UTC+1`.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let offset = name.strip_prefix("UTC").or(name.strip_prefix("GMT")).unwrap_or(name).trim();
    let sign = offset.get(..1).filter(|sign| matches!(*sign, "+" | "-"))?;
    let digits = offset[1..].split(':').next()?;
    let padded = if digits.len() == 1 { format!("{sign}0{}", &offset[1..]) } else { offset.to_owned() };
    parse_offset(&padded).map(TimeZone::fixed)
}

/// A warning about zones with an inverted sign, such as `Etc/GMT+1`.
pub(crate) fn hint(name: &str) -> Option<String> {
    let offset = name.strip_prefix("Etc/GMT")?;
    let (sign, hours) = offset.split_at_checked(1)?;
    let (opposite, direction) = match sign {
        "+" => ("-", "behind"),
        "-" => ("+", "ahead of"),
        _ => return None,
    };
    let hours: u8 = hours.parse().ok().filter(|hours| *hours > 0)?;
    Some(format!(
        "`zone` is `{name}`, which is {hours} h {direction} UTC; the same zone as an offset is `{opposite}{hours:02}:00`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_offsets_are_zones() {
        for (name, seconds) in [
            ("+01:00", 3_600),
            ("-0530", -19_800),
            ("+01", 3_600),
            ("UTC+1", 3_600),
            ("UTC-11:30", -41_400),
            ("GMT+2", 7_200),
            ("Etc/GMT-1", 3_600),
            ("Etc/GMT+1", -3_600),
            ("UTC", 0),
        ] {
            let offset = zone(name).unwrap().to_offset(jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(offset.seconds(), seconds, "{name}");
        }
        for name in ["", "+", "UTC+", "UTC+x", "CEST+1", "+25:99", "Mars/Olympus"] {
            assert!(zone(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_turned_sign_of_etc_zones_is_explained() {
        assert!(hint("Etc/GMT+1").unwrap().contains("1 h behind UTC"));
        assert!(hint("Etc/GMT-12").unwrap().contains("`+12:00`"));
        assert!(hint("Etc/GMT").is_none() && hint("Europe/Zurich").is_none());
    }
}
