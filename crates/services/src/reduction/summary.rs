use num_bigint::{BigInt, BigUint, Sign};

use super::exact_sum::ExactSum;

/// The exponent of the smallest double: each is a whole multiple of 2^-1074.
const UNIT: i64 = -1074;
/// Doubles in units of 2^-1074 have 2,098 bits; room for 2^64 of them.
const SUM_DIGITS: usize = 69;
/// Their squares, in units of 2^-2148, have twice as many.
const SQUARES_DIGITS: usize = 136;
/// Bits that a result is calculated to before it is rounded to the 53 of a double; the rest counts as one bit more.
const PRECISION: u64 = 66;

/// What is known of some numbers: how many, and what they are like. Nothing is rounded on the way, so the order
/// of the numbers makes no difference, and mean and standard deviation are the doubles nearest to the true ones.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    count: u64,
    min: f64,
    max: f64,
    sum: ExactSum<SUM_DIGITS>,
    squares: ExactSum<SQUARES_DIGITS>,
}

impl Summary {
    /// A summary of one number.
    pub(super) fn of(value: f64) -> Self {
        let mut summary =
            Self { count: 0, min: value, max: value, sum: ExactSum::new(), squares: ExactSum::new() };
        summary.add(value);
        summary
    }

    /// Takes a finite number in.
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        // -0.0 counts as less than 0.0; otherwise the order of the two would matter.
        self.min = if value.total_cmp(&self.min).is_lt() { value } else { self.min };
        self.max = if value.total_cmp(&self.max).is_gt() { value } else { self.max };
        let (magnitude, shift) = decomposed(value);
        self.sum.add(magnitude, shift, value.is_sign_negative());
        let square = u128::from(magnitude) * u128::from(magnitude);
        let (low, high) = halves(square);
        self.squares.add(low, shift * 2, false);
        self.squares.add(high, shift * 2 + 64, false);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn min(&self) -> f64 {
        self.min
    }

    pub(super) const fn max(&self) -> f64 {
        self.max
    }

    /// The arithmetic mean, which lies between least and greatest, and the standard deviation of these numbers
    /// themselves (that of a population).
    pub(super) fn mean_and_std(&mut self) -> (f64, f64) {
        if self.min.to_bits() == self.max.to_bits() {
            return (self.min, 0.0);
        }
        let (sum, sum_exponent) = self.sum.total();
        let (squares, squares_exponent) = self.squares.total();
        let count = BigInt::from(self.count);
        let mean = nearest_quotient(&sum, &count, i64::from(sum_exponent) + UNIT);

        // count² × variance = count × Σx² - (Σx)², with both at the same exponent.
        let common = squares_exponent.min(sum_exponent * 2);
        let spread = ((squares * &count) << (squares_exponent - common))
            - ((&sum * &sum) << (sum_exponent * 2 - common));
        let std = nearest_root_of_quotient(spread.magnitude(), self.count, i64::from(common) + UNIT * 2);
        (mean, std)
    }
}

/// A finite double without its sign as `(m, s)`, which stands for `m × 2^s × 2^-1074`.
fn decomposed(value: f64) -> (u64, u32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = u32::try_from((bits >> 52) & 0x7ff).unwrap_or_default();
    if exponent == 0 { (fraction, 0) } else { (fraction | (1 << 52), exponent - 1) }
}

fn halves(number: u128) -> (u64, u64) {
    // Masked and shifted to 64 bits, both fit.
    let half = |part: u128| u64::try_from(part).unwrap_or_default();
    (half(number & u128::from(u64::MAX)), half(number >> 64))
}

/// The double nearest to `numerator / denominator × 2^exponent`.
fn nearest_quotient(numerator: &BigInt, denominator: &BigInt, exponent: i64) -> f64 {
    let (dividend, divisor) = (numerator.magnitude(), denominator.magnitude());
    let shift = bits(PRECISION) + bits(divisor.bits()) - bits(dividend.bits());
    let (quotient, is_exact) = quotient(dividend, divisor, shift);
    let magnitude = nearest(&quotient, is_exact, exponent - shift);
    if numerator.sign() == Sign::Minus { -magnitude } else { magnitude }
}

/// The double nearest to `√(radicand × 2^exponent) / count`; the exponent is even.
fn nearest_root_of_quotient(radicand: &BigUint, count: u64, exponent: i64) -> f64 {
    let divisor = BigUint::from(count) * count;
    let shift = bits(PRECISION * 2) + bits(divisor.bits()) - bits(radicand.bits());
    // Half of it is the shift of the root.
    let shift = shift + shift.rem_euclid(2);
    let (square, is_exact) = quotient(radicand, &divisor, shift);
    let root = square.sqrt();
    let is_exact = is_exact && &root * &root == square;
    nearest(&root, is_exact, (exponent - shift) / 2)
}

/// `dividend × 2^shift / divisor`, rounded down, and whether that is all of it.
fn quotient(dividend: &BigUint, divisor: &BigUint, shift: i64) -> (BigUint, bool) {
    let by = shift.unsigned_abs();
    let (dividend, divisor) =
        if shift < 0 { (dividend.clone(), divisor << by) } else { (dividend << by, divisor.clone()) };
    let quotient = &dividend / &divisor;
    let is_exact = &quotient * &divisor == dividend;
    (quotient, is_exact)
}

/// The double nearest to `number × 2^exponent`, ties to even, where the number has about [`PRECISION`] bits and
/// stands for something a little greater unless it is exact. What is beyond all doubles cannot come up here:
/// neither a mean nor a deviation is greater than the greatest of the numbers.
fn nearest(number: &BigUint, is_exact: bool, exponent: i64) -> f64 {
    let number = u128::try_from(number).unwrap_or(u128::MAX);
    // One bit more, which stands for all that was cut off.
    let (number, exponent) = ((number << 1) | u128::from(!is_exact), exponent - 1);
    let top = exponent + i64::from(number.checked_ilog2().unwrap_or_default());
    // The lowest bit that the double can hold.
    let lowest = (top - 52).max(UNIT);
    let Ok(dropped @ 1..=100) = u32::try_from(lowest - exponent) else { return 0.0 };
    let (kept, rest) = (number >> dropped, number & ((1 << dropped) - 1));
    let half = 1 << (dropped - 1);
    let is_up = rest > half || (rest == half && kept & 1 == 1);
    let kept = u64::try_from(kept).unwrap_or_default() + u64::from(is_up);
    kept as f64 * power_of_two(lowest)
}

/// 2^exponent, from 2^-1074 to 2^1023.
fn power_of_two(exponent: i64) -> f64 {
    let (biased, subnormal) = (exponent + 1023, exponent - UNIT);
    let bits = if biased > 0 { biased.unsigned_abs() << 52 } else { 1 << subnormal.unsigned_abs() };
    f64::from_bits(bits)
}

/// A number of bits, of which there are never many.
fn bits(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn summary(values: &[f64]) -> Summary {
        let mut summary = Summary::of(values[0]);
        values[1..].iter().for_each(|value| summary.add(*value));
        summary
    }

    fn mean_and_std(values: &[f64]) -> (f64, f64) {
        summary(values).mean_and_std()
    }

    fn bits_of((mean, std): (f64, f64)) -> (u64, u64) {
        (mean.to_bits(), std.to_bits())
    }

    #[test]
    fn simple_numbers_have_the_mean_and_deviation_of_the_textbook() {
        assert_eq!(mean_and_std(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), (5.0, 2.0));
        assert_eq!(mean_and_std(&[1.0, 2.0]), (1.5, 0.5));
        assert_eq!(mean_and_std(&[-3.0, 3.0]), (0.0, 3.0));
        assert_eq!(mean_and_std(&[7.25]), (7.25, 0.0));
        // 0.1 is a little more than a tenth, and so is three times as much of it.
        assert_eq!(mean_and_std(&[0.1, 0.1, 0.1]), (0.1, 0.0));
    }

    #[test]
    fn a_small_deviation_of_great_numbers_is_not_lost() {
        // The squares have no room for it in a double.
        assert_eq!(mean_and_std(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]), (1e9 + 2.0, (2.0_f64 / 3.0).sqrt()));
        assert_eq!(mean_and_std(&[1e300, 1.0, -1e300]).0, 1.0 / 3.0);
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        assert_eq!(mean_and_std(&[f64::MAX, f64::MAX]), (f64::MAX, 0.0));
        assert_eq!(mean_and_std(&[f64::MAX, f64::MIN]), (0.0, f64::MAX));
        let below = f64::from_bits(f64::MAX.to_bits() - 2);
        assert_eq!(mean_and_std(&[f64::MAX, below]).0.to_bits(), f64::MAX.to_bits() - 1);
    }

    #[test]
    fn the_smallest_numbers_do_not_vanish() {
        let least = f64::from_bits(1);
        assert_eq!(bits_of(mean_and_std(&[f64::from_bits(2), f64::from_bits(4)])), (3, 1));
        // Halves of the smallest number are rounded to even.
        assert_eq!(bits_of(mean_and_std(&[least, f64::from_bits(2)])), (2, 0));
        assert_eq!(bits_of(mean_and_std(&[0.0, least])), (0, 0));
        assert_eq!(bits_of(mean_and_std(&[least, f64::from_bits(4)])), (2, 2));
        assert_eq!(mean_and_std(&[f64::MIN_POSITIVE, 0.0]).0, f64::MIN_POSITIVE / 2.0);
    }

    #[test]
    fn a_negative_zero_is_the_lesser_one_whatever_the_order() {
        for values in [[0.0, -0.0], [-0.0, 0.0]] {
            let mut summary = summary(&values);
            assert_eq!(summary.min().to_bits(), (-0.0_f64).to_bits());
            assert_eq!(summary.max().to_bits(), 0);
            assert_eq!(bits_of(summary.mean_and_std()), (0, 0));
        }
        assert_eq!(bits_of(mean_and_std(&[-0.0, -0.0])), ((-0.0_f64).to_bits(), 0));
    }

    fn any_finite() -> impl Strategy<Value = f64> {
        let wild = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
        prop_oneof![wild, -1e3..1e3_f64, (0_i32..1000).prop_map(f64::from)]
    }

    /// Whether `candidate` is at least as near to the fraction `numerator / denominator`, in units of 2^-1074, as
    /// the doubles next to it are.
    fn is_nearest(candidate: f64, numerator: &BigInt, denominator: u64) -> bool {
        let distance = |double: f64| {
            let (magnitude, shift) = decomposed(double);
            let units = BigInt::from(magnitude) << shift;
            let units = if double.is_sign_negative() { -units } else { units };
            (units * denominator - numerator).magnitude().clone()
        };
        let neighbours = [candidate.next_up(), candidate.next_down()];
        neighbours
            .into_iter()
            .filter(|next| next.is_finite())
            .all(|next| distance(candidate) <= distance(next))
    }

    /// A double in units of 2^-1074.
    fn units(value: f64) -> BigInt {
        let (magnitude, shift) = decomposed(value);
        let units = BigInt::from(magnitude) << shift;
        if value.is_sign_negative() { -units } else { units }
    }

    proptest! {
        #[test]
        fn the_mean_is_the_double_nearest_to_the_true_one(values in vec(any_finite(), 1..20)) {
            let (mean, _) = mean_and_std(&values);
            let sum: BigInt = values.iter().copied().map(units).sum();
            prop_assert!(is_nearest(mean, &sum, values.len() as u64), "{mean:e}");
        }

        #[test]
        fn the_deviation_is_the_double_nearest_to_the_true_one(values in vec(any_finite(), 2..20)) {
            let (_, std) = mean_and_std(&values);
            let count = BigInt::from(values.len());
            let sum: BigInt = values.iter().copied().map(units).sum();
            let squares: BigInt = values.iter().copied().map(units).map(|value| &value * &value).sum();
            let spread = squares * &count - &sum * &sum;
            // (count × std)² lies between the squares of the middles to the doubles next to it.
            let doubled = |double: f64| units(double) * 2;
            let next_up = if std == f64::MAX { doubled(std) } else { doubled(std.next_up()) };
            let upper = (doubled(std) + next_up) / 2 * &count;
            let lower = (doubled(std) + doubled(std.next_down().max(0.0))) / 2 * &count;
            prop_assert!(&lower * &lower <= &spread * 4 && (&upper * &upper >= spread * 4 || std == f64::MAX), "{std:e}");
        }

        #[test]
        fn the_order_makes_no_difference(values in vec(any_finite(), 1..20), seed in any::<u64>()) {
            let mut shuffled = values.clone();
            shuffled.sort_by_key(|value| value.to_bits().wrapping_mul(seed | 1));
            let (mut one, mut other) = (summary(&values), summary(&shuffled));
            prop_assert_eq!(bits_of(one.mean_and_std()), bits_of(other.mean_and_std()));
            prop_assert_eq!((one.min().to_bits(), one.max().to_bits()), (other.min().to_bits(), other.max().to_bits()));
        }

        #[test]
        fn the_mean_lies_between_least_and_greatest(values in vec(any_finite(), 1..20)) {
            let mut summary = summary(&values);
            let (mean, std) = summary.mean_and_std();
            prop_assert!(summary.min() <= mean && mean <= summary.max());
            prop_assert!(std >= 0.0 && std.is_finite());
        }
    }
}
