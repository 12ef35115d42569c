use mymonit_model::MeasureTypeName;

/// The names of the measure types met so far, each as a format writes it; they are few.
pub(super) struct Names {
    write: fn(&str, &mut Vec<u8>),
    /// The last one used stands first.
    known: Vec<(MeasureTypeName, Vec<u8>)>,
}

impl Names {
    /// No names yet; `write` is how the format writes text.
    pub(super) fn new(write: fn(&str, &mut Vec<u8>)) -> Self {
        Self { write, known: Vec::new() }
    }

    /// The name as the format writes it.
    pub(super) fn written(&mut self, name: &MeasureTypeName) -> &[u8] {
        match self.known.iter().position(|(known, _)| known == name) {
            Some(0) => {}
            Some(index) => self.known.swap(0, index),
            None => {
                let mut written = Vec::new();
                (self.write)(name.as_str(), &mut written);
                self.known.insert(0, (name.clone(), written));
            }
        }
        self.known.first().map_or(b"", |(_, written)| written)
    }
}
