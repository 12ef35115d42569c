use std::fmt;

/// A value with two faces: itself in the program, `***` wherever it is printed.
///
/// `Debug` and `Display` both mask it, so that no log line can show it, however careless the line
/// is. It is not serialisable; a door that has to hand it to a client says so with
/// [`Faceted::reveal`].
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Faceted<T>(T);

impl<T> Faceted<T> {
    /// Marks `value` as secret.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The real value, for the program and for clients that may see it; never for a log.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The real value, taken out.
    pub fn into_revealed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Faceted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Faceted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> From<T> for Faceted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faceted_value_prints_as_stars_and_reads_as_itself() {
        let secret = Faceted::new("canary");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
        assert_eq!(*secret.reveal(), "canary");
    }
}
