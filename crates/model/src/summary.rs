/// Count, minimum, maximum, mean and standard deviation, mergeable (Chan, Golub, LeVeque).
///
/// Count, minimum and maximum are exact. Mean and deviation are within 10⁻¹² of the greatest
/// magnitude, in any order of numbers and merges. No finite numbers overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    count: u64,
    min: f64,
    max: f64,
    /// Times the [`scale`] of the numbers.
    mean: Wide,
    /// The sum of the squared distances from the mean (M2), times the square of the scale.
    squares: Wide,
}

impl Summary {
    /// Summarises one finite number.
    pub fn of(value: f64) -> Self {
        let mean = Wide::of(value * scale(value, value));
        Self { count: 1, min: value, max: value, mean, squares: Wide::of(0.0) }
    }

    /// Adds the numbers of another summary.
    pub fn merge(&mut self, other: &Self) {
        // -0.0 counts as less than 0.0; otherwise the order of the two would matter.
        let min = if other.min.total_cmp(&self.min).is_lt() { other.min } else { self.min };
        let max = if other.max.total_cmp(&self.max).is_gt() { other.max } else { self.max };
        let scale = scale(min, max);
        let (mean, squares) = self.scaled(scale);
        let (other_mean, other_squares) = other.scaled(scale);
        let (own, others) = (self.count as f64, other.count as f64);
        let share = others / (own + others);
        let distance = other_mean.plus(mean.times(-1.0)).high;
        self.count += other.count;
        (self.min, self.max) = (min, max);
        self.mean = mean.plus(Wide::of(distance * share));
        self.squares = squares.plus(other_squares).plus(Wide::of(distance * distance * (own * share)));
    }

    /// How many numbers; at least one.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The least number; -0.0 is less than 0.0.
    pub const fn min(&self) -> f64 {
        self.min
    }

    /// The greatest number.
    pub const fn max(&self) -> f64 {
        self.max
    }

    /// The arithmetic mean, between minimum and maximum.
    pub fn mean(&self) -> f64 {
        if self.min.to_bits() == self.max.to_bits() {
            return self.min;
        }
        (self.mean.high / scale(self.min, self.max)).clamp(self.min, self.max)
    }

    /// The standard deviation of the population of these numbers.
    pub fn std(&self) -> f64 {
        ((self.squares.high / self.count as f64).sqrt() / scale(self.min, self.max)).min(f64::MAX)
    }

    /// What [`Self::from_parts`] makes an equal summary of.
    pub const fn parts(&self) -> SummaryParts {
        let Self { count, min, max, mean, squares } = *self;
        SummaryParts { count, min, max, mean: [mean.high, mean.low], squares: [squares.high, squares.low] }
    }

    /// The summary that gave these parts; `None` if no summary can have given them.
    pub fn from_parts(parts: SummaryParts) -> Option<Self> {
        let SummaryParts { count, min, max, mean: [high, low], squares: [squares_high, squares_low] } = parts;
        let are_finite = [min, max, high, low, squares_high, squares_low].into_iter().all(f64::is_finite);
        let is_possible = count > 0 && min.total_cmp(&max).is_le() && squares_high >= 0.0 && are_finite;
        let (mean, squares) = (Wide { high, low }, Wide { high: squares_high, low: squares_low });
        is_possible.then_some(Self { count, min, max, mean, squares })
    }

    /// Mean and squares with another scale.
    fn scaled(&self, to: f64) -> (Wide, Wide) {
        let factor = to / scale(self.min, self.max);
        (self.mean.times(factor), self.squares.times(factor).times(factor))
    }
}

/// A summary in numbers, to be stored. `docs/storage-format.md` describes the scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SummaryParts {
    /// How many numbers; at least one.
    pub count: u64,
    /// The least number.
    pub min: f64,
    /// The greatest number.
    pub max: f64,
    /// The mean times the scale, as the sum of two doubles.
    pub mean: [f64; 2],
    /// The sum of the squared distances from the mean times the square of the scale, as the sum of
    /// two doubles.
    pub squares: [f64; 2],
}

/// A power of two that scales numbers from `min` to `max` to at most 2^256, so that no sum of
/// squares overflows. It scales the greatest to at least 2^-306, so that no relevant square
/// vanishes.
fn scale(min: f64, max: f64) -> f64 {
    const TWO_TO_256: f64 = f64::from_bits((1023 + 256) << 52);
    const TWO_TO_768: f64 = f64::from_bits((1023 + 768) << 52);
    let exponent = min.abs().max(max.abs()).to_bits() >> 52;
    match exponent {
        0..512 => TWO_TO_768,
        512..1024 => TWO_TO_256,
        1024..1536 => 1.0 / TWO_TO_256,
        _ => 1.0 / TWO_TO_768,
    }
}

/// A number as the sum of two doubles: the nearest one and the remainder.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wide {
    high: f64,
    low: f64,
}

impl Wide {
    const fn of(high: f64) -> Self {
        Self { high, low: 0.0 }
    }

    fn plus(self, other: Self) -> Self {
        // Knuth's exact sum of two doubles, then that of a greater and a lesser one.
        let sum = self.high + other.high;
        let part = sum - self.high;
        let rounded_off = (self.high - (sum - part)) + (other.high - part);
        let rest = rounded_off + (self.low + other.low);
        let high = sum + rest;
        Self { high, low: rest - (high - sum) }
    }

    /// Exact for powers of two.
    fn times(self, factor: f64) -> Self {
        Self { high: self.high * factor, low: self.low * factor }
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn summary(values: &[f64]) -> Summary {
        let mut summaries = values.iter().copied().map(Summary::of);
        let mut whole = summaries.next().unwrap();
        summaries.for_each(|summary| whole.merge(&summary));
        whole
    }

    /// Merges summaries of neighbours, then of pairs of those, and so on.
    fn merged_in_pairs(values: &[f64]) -> Summary {
        let [value] = values else {
            let (left, right) = values.split_at(values.len().div_ceil(2));
            let mut left = merged_in_pairs(left);
            left.merge(&merged_in_pairs(right));
            return left;
        };
        Summary::of(*value)
    }

    /// A double in units of 2^-1074.
    fn units(value: f64) -> BigInt {
        let (fraction, exponent) = (value.to_bits() & ((1 << 52) - 1), value.to_bits() >> 52 & 0x7ff);
        let magnitude = match exponent {
            0 => BigInt::from(fraction),
            _ => BigInt::from(fraction | 1 << 52) << (exponent - 1),
        };
        if value.is_sign_negative() { -magnitude } else { magnitude }
    }

    /// Compares with exact arithmetic. The tolerance is 10^-12 of the greatest magnitude plus the
    /// least double.
    fn check(summary: &Summary, values: &[f64]) -> Result<(), TestCaseError> {
        let count = BigInt::from(values.len());
        let sum: BigInt = values.iter().copied().map(units).sum();
        let squares: BigInt = values.iter().copied().map(units).map(|value| &value * &value).sum();
        let greatest = values.iter().copied().map(f64::abs).fold(0.0, f64::max);
        let trillion = BigInt::from(1_000_000_000_000_u64);
        // All that follows is in units of 10^-12 of the least double.
        let bound = units(greatest) + &trillion;
        let mean_error = units(summary.mean()) * &count - &sum;
        prop_assert!(
            BigInt::from(mean_error.magnitude().clone()) * &trillion <= &bound * &count,
            "{summary:?}"
        );
        // count² × variance = count × Σx² - (Σx)²
        let spread = (&count * squares - &sum * &sum) * &trillion * &trillion;
        let std = units(summary.std()) * &trillion;
        let least = (&std - &bound).max(BigInt::ZERO) * &count;
        let most = (&std + &bound) * &count;
        prop_assert!(&least * &least <= spread && spread <= &most * &most, "{summary:?}");

        prop_assert_eq!(summary.count(), values.len() as u64);
        let least = values.iter().copied().min_by(f64::total_cmp).unwrap();
        let most = values.iter().copied().max_by(f64::total_cmp).unwrap();
        prop_assert_eq!(summary.min().to_bits(), least.to_bits());
        prop_assert_eq!(summary.max().to_bits(), most.to_bits());
        prop_assert!(least <= summary.mean() && summary.mean() <= most && summary.std().is_finite());
        Ok(())
    }

    fn check_in_every_order(values: &mut [f64]) -> Result<(), TestCaseError> {
        check(&summary(values), values)?;
        check(&merged_in_pairs(values), values)?;
        values.reverse();
        check(&summary(values), values)?;
        values.sort_by(f64::total_cmp);
        check(&summary(values), values)?;
        values.sort_by(|one, other| other.abs().total_cmp(&one.abs()));
        check(&summary(values), values)?;
        check(&merged_in_pairs(values), values)
    }

    fn any_finite() -> impl Strategy<Value = f64> {
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite())
    }

    /// Numbers of one magnitude, whose difference may be far smaller, with some others among them.
    fn any_values() -> impl Strategy<Value = Vec<f64>> {
        let exponents = prop_oneof![-1074..1023_i32, -1074..-1000_i32, 1000..1023_i32, -3..3_i32];
        (exponents, 0..70_i32, prop::option::of(any_finite()), vec(-1.0..1.0_f64, 1..200), any::<bool>())
            .prop_map(|(exponent, finer, other, parts, is_centred)| {
                let unit = 2.0_f64.powi(exponent / 2) * 2.0_f64.powi(exponent - exponent / 2);
                let centre = if is_centred { 0.0 } else { 1.0 };
                let value = |part: f64| (centre + part * 2.0_f64.powi(-finer)) * unit;
                parts.into_iter().map(value).chain(other).collect()
            })
    }

    proptest! {
        #[test]
        fn numbers_of_one_magnitude_keep_the_bound(mut values in any_values()) {
            check_in_every_order(&mut values)?;
        }

        #[test]
        fn parts_make_the_same_summary_to_the_bit(values in vec(any_finite(), 1..20)) {
            let bits = |summary: &Summary| {
                let SummaryParts { count, min, max, mean, squares } = summary.parts();
                (count, [min, max, mean[0], mean[1], squares[0], squares[1]].map(f64::to_bits))
            };
            let (whole, first) = (summary(&values), summary(&values[..1]));
            let again = Summary::from_parts(whole.parts()).unwrap();
            prop_assert_eq!(bits(&again), bits(&whole));
            let (mut one, mut other) = (first, first);
            one.merge(&whole);
            other.merge(&again);
            prop_assert_eq!(bits(&one), bits(&other));
        }

        #[test]
        fn numbers_of_any_magnitude_keep_the_bound(mut values in vec(any_finite(), 1..60)) {
            check_in_every_order(&mut values)?;
        }

        #[test]
        fn the_ends_of_the_doubles_keep_the_bound(
            mut values in vec(prop::sample::select(vec![
                f64::MAX, f64::MIN, f64::MAX / 2.0, 1e154, -1e154, 1.0, -1.0, 0.0, -0.0, 1e-160, f64::MIN_POSITIVE,
                -f64::MIN_POSITIVE, f64::from_bits(1), -f64::from_bits(3),
            ]), 1..60)
        ) {
            check_in_every_order(&mut values)?;
        }
    }

    #[test]
    fn impossible_parts_are_no_summary() {
        let parts = summary(&[1.0, 2.0]).parts();
        assert!(Summary::from_parts(parts).is_some());
        for impossible in [
            SummaryParts { count: 0, ..parts },
            SummaryParts { min: 3.0, ..parts },
            SummaryParts { max: f64::NAN, ..parts },
            SummaryParts { mean: [f64::INFINITY, 0.0], ..parts },
            SummaryParts { squares: [-1.0, 0.0], ..parts },
        ] {
            assert_eq!(Summary::from_parts(impossible), None);
        }
    }

    #[test]
    fn many_numbers_keep_the_bound() {
        let wave = |number: u32| 1e9 + f64::from(number.wrapping_mul(2_654_435_761) >> 8) * 1e-6;
        let mut values: Vec<_> = (0..5_000).map(wave).collect();
        check_in_every_order(&mut values).unwrap();
        let mut values: Vec<_> = (0..5_000).map(|number| if number == 0 { 1e15 } else { 0.1 }).collect();
        check_in_every_order(&mut values).unwrap();
    }

    #[test]
    fn small_shares_of_a_million_numbers_are_not_lost() {
        const MILLION: usize = 1 << 20;
        let halves = |first: [f64; 2], second: [f64; 2]| {
            let repeated = |pair: [f64; 2]| pair.into_iter().cycle().take(MILLION);
            let values: Vec<_> = repeated(first).chain(repeated(second)).collect();
            (summary(&values).mean(), summary(&values).std())
        };
        // As doubles, the mean and the squares of the first half would stay as they are.
        let tiny = 2.0_f64.powi(-33);
        let (mean, _) = halves([1.0; 2], [1.0 + tiny; 2]);
        assert!((mean - 1.0 - tiny / 2.0).abs() <= 1e-12, "{mean}");
        let tiny = 2.0_f64.powi(-17);
        let (_, std) = halves([1.0, -1.0], [tiny, -tiny]);
        assert!((std - (0.5 + tiny * tiny / 2.0).sqrt()).abs() <= 1e-12, "{std}");
    }

    #[test]
    fn simple_numbers_have_the_mean_and_deviation_of_the_textbook() {
        let mean_and_std = |values: &[f64]| (summary(values).mean(), summary(values).std());
        assert_eq!(mean_and_std(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), (5.0, 2.0));
        assert_eq!(mean_and_std(&[-3.0, 3.0]), (0.0, 3.0));
        assert_eq!(mean_and_std(&[0.1, 0.1, 0.1]), (0.1, 0.0));
        assert_eq!(mean_and_std(&[f64::MAX, f64::MIN]), (0.0, f64::MAX));
        assert_eq!(mean_and_std(&[f64::MAX, f64::MAX]), (f64::MAX, 0.0));
    }

    #[test]
    fn a_negative_zero_is_less_than_zero_in_either_order() {
        for values in [[0.0, -0.0], [-0.0, 0.0]] {
            let summary = summary(&values);
            let numbers = [summary.min(), summary.max(), summary.mean(), summary.std()];
            assert_eq!(numbers.map(f64::to_bits), [-0.0, 0.0, 0.0, 0.0].map(f64::to_bits));
        }
        assert_eq!(summary(&[-0.0, -0.0]).mean().to_bits(), (-0.0_f64).to_bits());
    }
}
