use std::fmt;

/// A secret value: `Debug` and `Display` print `***`, so that no log line can show it.
///
/// It is not serialisable; code that returns it to a client calls [`Faceted::reveal`].
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
